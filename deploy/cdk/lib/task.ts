// A task of one container with our image, as each service and the producer have it: small, read-only, without a shell or root.

import { Duration, RemovalPolicy, Size } from 'aws-cdk-lib';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import type * as ecr from 'aws-cdk-lib/aws-ecr';
import * as logs from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { acknowledge } from './findings';
import type { Settings } from './settings';

/** Where the binary is in the image. */
const BINARY = '/millstream';
/** Names of containers, which an image definition names again. */
export const STREAM_CONTAINER = 'StreamProcContainer';
export const CONNECT_CONTAINER = 'KafkaConnectContainer';
export const PRODUCER_CONTAINER = 'ProducerContainer';
export const REST_PORT = 8083;
export const HEALTH_PORT = 18083;

export interface TaskProps {
  readonly settings: Settings;
  readonly repository: ecr.IRepository;
  /** The container's name, which imagedefinitions.json repeats. */
  readonly container: string;
  /** The subcommand and its flags. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly ports?: readonly number[];
  /** Whether it stays and has a health port. */
  readonly stays: boolean;
}

export class Task extends Construct {
  readonly definition: ecs.FargateTaskDefinition;
  readonly log: logs.LogGroup;

  constructor(scope: Construct, id: string, props: TaskProps) {
    super(scope, id);
    const { settings } = props;
    this.log = new logs.LogGroup(this, 'Log', {
      logGroupName: `/millstream/${settings.environment}/${props.container}`,
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.definition = new ecs.FargateTaskDefinition(this, 'Definition', {
      family: `millstream-${settings.environment}-${props.container}`,
      cpu: 256,
      memoryLimitMiB: 512,
      runtimePlatform: {
        cpuArchitecture: settings.architecture === 'ARM64' ? ecs.CpuArchitecture.ARM64 : ecs.CpuArchitecture.X86_64,
        operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
      },
      // The only place that is written to: files that are open while memory is short. The image declares it, so it is the user's.
      volumes: [{ name: 'tmp' }],
    });
    const container = this.definition.addContainer(props.container, {
      containerName: props.container,
      image: ecs.ContainerImage.fromEcrRepository(props.repository, settings.image),
      command: [...props.command],
      environment: { LOG_FORMAT: 'json', ...props.environment },
      user: '65532:65532',
      readonlyRootFilesystem: true,
      stopTimeout: Duration.seconds(props.stays ? 120 : 30),
      // A log driver that stands still must not stop records; what does not fit is dropped.
      logging: ecs.LogDrivers.awsLogs({
        logGroup: this.log,
        streamPrefix: 'task',
        mode: ecs.AwsLogDriverMode.NON_BLOCKING,
        maxBufferSize: Size.mebibytes(25),
      }),
      portMappings: (props.ports ?? []).map(containerPort => ({ containerPort })),
      // More than one word: a single one would be given to a shell, which the image does not have.
      healthCheck: props.stays
        ? {
            command: ['CMD', BINARY, 'healthcheck', '--once'],
            interval: Duration.seconds(15),
            timeout: Duration.seconds(5),
            retries: 3,
            startPeriod: Duration.seconds(60),
          }
        : undefined,
    });
    container.addMountPoints({ sourceVolume: 'tmp', containerPath: '/tmp', readOnly: false });
    container.addUlimits({ name: ecs.UlimitName.NOFILE, softLimit: 65536, hardLimit: 65536 });
    acknowledge(this.definition, 'ECS2', 'the variables are names and addresses, the contract of the workshop; secrets are read by the task itself, by name');
  }
}

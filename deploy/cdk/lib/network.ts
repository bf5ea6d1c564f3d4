// Three zones, each with a public subnet for the way out and a private one for everything that runs.

import { Fn, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { acknowledge } from './findings';
import type { Settings } from './settings';

export class Network extends Stack {
  readonly vpc: ec2.Vpc;

  constructor(scope: Construct, id: string, settings: Settings, props: StackProps) {
    super(scope, id, props);
    const zones = settings.zones ?? [0, 1, 2].map(zone => Fn.select(zone, Fn.getAzs()));
    const flows = new logs.LogGroup(this, 'Flows', {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.vpc = new ec2.Vpc(this, 'Vpc', {
      // Named one by one: a count of zones would be looked up with credentials, or be two where there are none.
      availabilityZones: [...zones],
      natGateways: 1,
      subnetConfiguration: [
        { name: 'public', subnetType: ec2.SubnetType.PUBLIC, mapPublicIpOnLaunch: false, cidrMask: 24 },
        { name: 'private', subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 20 },
      ],
      // What goes to S3 would otherwise pass the NAT gateway, by the gigabyte.
      gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
      flowLogs: { rejected: { destination: ec2.FlowLogDestination.toCloudWatchLogs(flows), trafficType: ec2.FlowLogTrafficType.REJECT } },
      // Emptying the default group needs a function and its code in a bucket; nothing here uses that group.
      restrictDefaultSecurityGroup: false,
    });
    if (settings.interfaceEndpoints) this.endpoints();
  }

  private endpoints() {
    const group = new ec2.SecurityGroup(this, 'Endpoints', {
      vpc: this.vpc,
      description: 'AWS APIs inside the network',
      allowAllOutbound: false,
    });
    group.addIngressRule(ec2.Peer.ipv4(this.vpc.vpcCidrBlock), ec2.Port.tcp(443), 'tasks ask AWS');
    acknowledge(group, 'EC23', 'the range is that of the network, a reference into which the rule cannot look');
    const services: [string, ec2.InterfaceVpcEndpointAwsService][] = [
      ['EcrApi', ec2.InterfaceVpcEndpointAwsService.ECR],
      ['EcrDocker', ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER],
      ['Logs', ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS],
      ['Secrets', ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER],
      ['Ssm', ec2.InterfaceVpcEndpointAwsService.SSM],
    ];
    for (const [name, service] of services) {
      this.vpc.addInterfaceEndpoint(name, { service, securityGroups: [group], open: false });
    }
  }
}

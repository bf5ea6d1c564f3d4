// What the workers are told: their environment, which is the workshop's, and the one connector to begin with.

import { MAX_TASKS, type Settings } from './settings';

export const GROUP = 'KcS3SinkGroup';
export const CONNECTOR = 's3-sink';
export const INTERNAL_TOPICS = { config: 'kc_config', offset: 'kc_offset', status: 'kc_status' };

const STRING = 'org.apache.kafka.connect.storage.StringConverter';
const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter';

/** The workshop's variables, byte for byte but for the two that `Settings` may decide otherwise. */
export function workshopEnvironment(): Record<string, string> {
  return {
    CONNECT_PLUGIN_PATH: '/usr/share/java',
    CONNECT_GROUP_ID: GROUP,
    CONNECT_CONFIG_STORAGE_TOPIC: INTERNAL_TOPICS.config,
    CONNECT_OFFSET_STORAGE_TOPIC: INTERNAL_TOPICS.offset,
    CONNECT_STATUS_STORAGE_TOPIC: INTERNAL_TOPICS.status,
    CONNECT_KEY_CONVERTER: STRING,
    CONNECT_VALUE_CONVERTER: STRING,
    CONNECT_REST_PORT: '8083',
    CONNECT_CONSUMER_AUTO_OFFSET_RESET: 'latest',
    CONNECT_OFFSET_FLUSH_INTERVAL_MS: '120000',
    CONNECT_OFFSET_FLUSH_TIMEOUT_MS: '20000',
    CONNECT_INTERNAL_KEY_CONVERTER: JSON_CONVERTER,
    CONNECT_INTERNAL_VALUE_CONVERTER: JSON_CONVERTER,
    CONNECT_INTERNAL_KEY_CONVERTER_SCHEMAS_ENABLE: 'false',
    CONNECT_INTERNAL_VALUE_CONVERTER_SCHEMAS_ENABLE: 'false',
    CONNECT_SECURITY_PROTOCOL: 'SSL',
    CONNECT_CONSUMER_SECURITY_PROTOCOL: 'SSL',
    CONNECT_PRODUCER_SECURITY_PROTOCOL: 'SSL',
  };
}

export function connectEnvironment(settings: Settings): Record<string, string> {
  const environment: Record<string, string> = {
    ...workshopEnvironment(),
    CONNECT_CONSUMER_AUTO_OFFSET_RESET: settings.offsetReset,
    // A replacement is there after about a minute; five, the default, would leave its tasks idle.
    CONNECT_SCHEDULED_REBALANCE_MAX_DELAY_MS: '60000',
    // Longer than the load balancer keeps old connections, shorter than the container's 120 s.
    CONNECT_TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS: '90000',
    // Lag and failed tasks reach CloudWatch through the log: no call, no permission.
    CONNECT_MILLSTREAM_METRICS_EMF: 'true',
  };
  if (settings.kafkaAccess === 'iam') {
    for (const client of ['', 'CONSUMER_', 'PRODUCER_']) {
      environment[`CONNECT_${client}SECURITY_PROTOCOL`] = 'SASL_SSL';
      environment[`CONNECT_${client}SASL_MECHANISM`] = 'AWS_MSK_IAM';
      environment[`CONNECT_${client}SASL_JAAS_CONFIG`] = 'software.amazon.msk.auth.iam.IAMLoginModule required;';
      environment[`CONNECT_${client}SASL_CLIENT_CALLBACK_HANDLER_CLASS`] = 'software.amazon.msk.auth.iam.IAMClientCallbackHandler';
    }
  }
  return environment;
}

/** The connector that archives the topic, as `POST /connectors` takes it. */
export function connector(settings: Settings, bucket: string, region: string) {
  return {
    name: CONNECTOR,
    config: {
      'connector.class': 'io.confluent.connect.s3.S3SinkConnector',
      topics: settings.topic,
      // A worker that has no task would be paid for nothing.
      'tasks.max': String(Math.max(MAX_TASKS, settings.partitions)),
      's3.bucket.name': bucket,
      's3.region': region,
      's3.part.size': '5242880',
      'storage.class': 'io.confluent.connect.s3.storage.S3Storage',
      'format.class': 'io.confluent.connect.s3.format.json.JsonFormat',
      'partitioner.class': 'io.confluent.connect.storage.partitioner.DefaultPartitioner',
      'schema.compatibility': 'NONE',
      // Large objects where there is much, none older than five minutes where there is little: each object is a request.
      'flush.size': '100000',
      'rotate.schedule.interval.ms': '300000',
      timezone: 'UTC',
    },
  };
}

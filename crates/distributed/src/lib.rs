//! What the workers of a Connect cluster share, as Java's workers keep it: the internal topics and the group. The seams of
//! `millstream_worker::cluster` are implemented here over the Kafka client.

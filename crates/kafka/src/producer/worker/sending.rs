//! Batches on their way to leaders, and what leaders say of them.

use super::{
    Answer, Arc, CancellationToken, Done, Flight, HashMap, Instant, KafkaError, LATE_ANSWER,
    Metadata, ProducerId, TopicPartition, Worker, request,
};

impl Worker {
    pub(super) fn start_requests(&mut self, now: Instant, producer: ProducerId) {
        let metadata = self.cluster.metadata();
        let hurry = self.is_closing || !self.flushes.is_empty();
        let mut plans: HashMap<i32, Vec<TopicPartition>> = HashMap::new();
        let mut sizes: HashMap<i32, usize> = HashMap::new();
        for (partition, size) in self.accumulator.ready(now, hurry, &mut self.wake) {
            let leader = metadata.partition(&partition).map_or(-1, |p| p.leader);
            if leader < 0 {
                self.accumulator
                    .wait(&partition, now + self.backoff.clone().next_pause());
                self.refresh_due = self.refresh_due.min(now);
                continue;
            }
            let used = self.flights.iter().filter(|f| f.broker == leader).count();
            let sum = sizes.entry(leader).or_default();
            // What does not fit goes with the next request; a request's end brings us back here.
            if used >= self.settings.max_in_flight()
                || (*sum > 0 && *sum + size > self.settings.max_request_size())
            {
                continue;
            }
            *sum += size;
            plans.entry(leader).or_default().push(partition);
        }
        for (broker, partitions) in plans {
            let mut batches = Vec::with_capacity(partitions.len());
            for partition in &partitions {
                match self
                    .accumulator
                    .take(partition, self.settings.codec(), producer)
                {
                    Ok(bytes) => batches.push((partition.clone(), bytes)),
                    Err((owners, why)) => {
                        let error = KafkaError::Failed {
                            operation: format!("compress batch for {partition}"),
                            why: why.to_string(),
                        };
                        self.deliveries.fail(owners, &Arc::new(error));
                    }
                }
            }
            let id = self.next_flight;
            self.next_flight += 1;
            let give_up = CancellationToken::new();
            let (cluster, acks, token) =
                (self.cluster.clone(), self.settings.acks(), give_up.clone());
            self.flights.push(Flight {
                id,
                broker,
                partitions,
                late_at: now + LATE_ANSWER,
                give_up,
            });
            self.work.push(Box::pin(async move {
                let result = tokio::select! {
                    result = request::produce(cluster, broker, batches, acks) => result,
                    () = token.cancelled() => Err(KafkaError::TimedOut {
                        broker: format!("broker {broker}"),
                        request: "Produce",
                        after: now.elapsed(),
                    }),
                };
                Done::Produced { flight: id, result }
            }));
        }
    }

    /// A broker that does not answer may have lost its partitions to others.
    pub(super) fn check_late_brokers(&mut self, now: Instant) {
        for flight in &mut self.flights {
            if flight.late_at <= now {
                flight.late_at = now + LATE_ANSWER;
                self.refresh_due = self.refresh_due.min(now);
            }
            self.wake = self.wake.min(flight.late_at);
        }
    }

    /// Batches whose leader is another by now are written there. Only where brokers tell a repeated batch from a
    /// new one: the old leader may have written it.
    pub(super) fn redirect(&mut self, metadata: &Metadata) {
        if !self.settings.is_idempotent() {
            return;
        }
        for flight in &self.flights {
            let has_moved = |p: &TopicPartition| {
                let leader = metadata.partition(p).map_or(-1, |known| known.leader);
                leader >= 0 && leader != flight.broker
            };
            if flight.partitions.iter().any(has_moved) {
                flight.give_up.cancel();
            }
        }
    }

    pub(super) fn on_produced(
        &mut self,
        partitions: &[TopicPartition],
        result: Result<HashMap<TopicPartition, Answer>, KafkaError>,
        now: Instant,
    ) {
        let mut answers = match result {
            Ok(answers) => answers,
            Err(error) if error.is_transient() => {
                tracing::debug!(%error, "produce failed, retrying");
                let pause = self.backoff.next_pause();
                let is_in_doubt = !matches!(error, KafkaError::Connect { .. });
                for partition in partitions {
                    self.accumulator
                        .put_back(partition, now + pause, is_in_doubt);
                }
                self.refresh_due = self.refresh_due.min(now + pause);
                return;
            }
            Err(error) => {
                let error = Arc::new(error);
                for partition in partitions {
                    let owners = self.accumulator.give_up(partition);
                    self.deliveries.fail(owners, &error);
                }
                return;
            }
        };
        for partition in partitions {
            let answer = answers.remove(partition).unwrap_or(Err((3, None)));
            self.on_answer(partition, answer, now);
        }
    }

    fn on_answer(&mut self, partition: &TopicPartition, answer: Answer, now: Instant) {
        let (code, message) = match answer {
            Ok(offset) => return self.written(partition, offset),
            // DUPLICATE_SEQUENCE_NUMBER: an earlier attempt arrived.
            Err((46, _)) => return self.written(partition, -1),
            Err(refusal) => refusal,
        };
        let operation = format!("produce to {partition}");
        let error = KafkaError::response_with_message(operation, code, message.as_ref());
        // The broker has lost track of this producer, or we have: begin anew under another identity.
        let is_out_of_sequence = matches!(code, 45 | 47 | 49 | 59) && self.settings.is_idempotent();
        if is_out_of_sequence || error.is_transient() {
            tracing::debug!(%error, "produce failed, retrying");
            let pause = self.backoff.next_pause();
            self.accumulator.put_back(partition, now + pause, false);
            self.refresh_due = self.refresh_due.min(now + pause);
            if is_out_of_sequence {
                self.reset_producer_id(partition);
            }
        } else {
            let owners = self.accumulator.give_up(partition);
            self.deliveries.fail(owners, &Arc::new(error));
        }
    }

    fn written(&mut self, partition: &TopicPartition, offset: i64) {
        self.backoff.reset();
        let owners = self.accumulator.finish(partition);
        self.deliveries.written(owners, partition.partition, offset);
    }
}

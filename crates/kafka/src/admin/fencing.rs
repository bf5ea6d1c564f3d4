//! Producers shut out from outside: whoever asks for the epoch of a transactional id anew ends what was done under the old one.

use super::Admin;
use crate::cluster::Lane;
use crate::error::KafkaError;
use kafka_protocol::messages::{InitProducerIdRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;

impl Admin {
    /// Shuts out whoever produces under the id; an open transaction of theirs is aborted.
    pub async fn fence_producers(&self, transactional_id: &str) -> Result<(), KafkaError> {
        let id = StrBytes::from_string(transactional_id.to_owned());
        self.retry(|| async {
            let address = self.cluster.find_transaction_coordinator(&id).await?;
            let connection = self.cluster.connect(&address, Lane::Control).await?;
            let response = connection
                .request(|_| {
                    InitProducerIdRequest::default()
                        .with_transactional_id(Some(TransactionalId(id.clone())))
                        .with_transaction_timeout_ms(self.cluster.settings().request_timeout_ms)
                })
                .await?;
            match response.error_code {
                0 => Ok(()),
                code => {
                    let operation = format!("fence producers of {transactional_id}");
                    Err(KafkaError::response(operation, code))
                }
            }
        })
        .await
    }
}

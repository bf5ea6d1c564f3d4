//! What messages consist of, taken out of the transfers on their way to the library. It would read them without asking anybody;
//! it is left the deliveries, and the link reads what was taken here.

use super::encoding::{Input, Malformed};
use bytes::{Bytes, BytesMut};
use std::io;
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

/// The code of the performative.
pub(super) const TRANSFER: u8 = 0x14;

/// The places of fields of a transfer.
const NUMBER: usize = 1;
const MORE: usize = 5;
const ABORTED: usize = 9;

/// The sections of the message of one delivery.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) number: u32,
    pub(super) sections: Bytes,
}

/// What a transfer says of its delivery, as far as it counts here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Transfer {
    /// The first of a delivery has one.
    number: Option<u32>,
    has_more: bool,
    is_aborted: bool,
}

impl Transfer {
    /// From the body of a frame, with what is behind the performative.
    pub(super) fn read(body: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let mut input = Input(body);
        let mut transfer = Transfer::default();
        let code = input.constructor()?.code;
        let (count, mut fields) = input.compound(code)?;
        for at in 0..count {
            let start = fields;
            let code = fields.constructor()?.code;
            fields.skip(code)?;
            let field = start.up_to(&fields);
            match at {
                NUMBER => transfer.number = number(field),
                MORE => transfer.has_more = is_true(field),
                ABORTED => transfer.is_aborted = is_true(field),
                _ => {}
            }
        }
        Ok((transfer, input.0))
    }
}

fn number(field: &[u8]) -> Option<u32> {
    match *field {
        [0x43] => Some(0),
        [0x52, number] => Some(number.into()),
        [0x70, a, b, c, d] => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}

fn is_true(field: &[u8]) -> bool {
    matches!(field, [0x41] | [0x56, 1])
}

/// Makes messages of what transfers carry, for one link.
#[derive(Debug)]
pub(super) struct Contents {
    whole: Sender<Content>,
    /// A delivery whose last transfer has not come.
    part: Option<(u32, BytesMut)>,
}

impl Contents {
    /// Messages come out in the order in which their last transfers came; as many can wait there as there may be credit for.
    pub(super) fn new(credit: u16) -> (Self, Receiver<Content>) {
        let (whole, contents) = mpsc::channel(credit.into());
        (Contents { whole, part: None }, contents)
    }

    /// Takes what a transfer carries. An error if more messages come than there was credit for.
    pub(super) fn take(&mut self, transfer: &Transfer, carried: Bytes) -> io::Result<()> {
        let begun = self.part.take();
        // The library ends the link if deliveries mix or have no number.
        let begun = begun.filter(|(begun, _)| transfer.number.is_none_or(|it| it == *begun));
        if transfer.is_aborted {
            return Ok(());
        }
        let (number, mut part) = match (begun, transfer.number) {
            (Some(begun), _) => begun,
            (None, Some(number)) => (number, BytesMut::new()),
            (None, None) => return Ok(()),
        };
        if transfer.has_more {
            part.extend_from_slice(&carried);
            self.part = Some((number, part));
            return Ok(());
        }
        // What came in one transfer is not copied.
        let sections = if part.is_empty() {
            carried
        } else {
            part.extend_from_slice(&carried);
            part.freeze()
        };
        match self.whole.try_send(Content { number, sections }) {
            Ok(()) => Ok(()),
            // Nobody reads any more what is still on its way.
            Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => Err(io::Error::other(
                "the broker sends more messages than it was given credit for",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe2o3_amqp::types::definitions::{DeliveryTag, Handle};
    use fe2o3_amqp::types::performatives::Transfer as Performative;
    use proptest::prelude::*;
    use serde_amqp::to_vec;

    fn performative(number: Option<u32>, more: bool, aborted: bool) -> Performative {
        Performative {
            handle: Handle(0),
            delivery_id: number,
            delivery_tag: number.map(|_| DeliveryTag::from(vec![1; 32])),
            message_format: None,
            settled: None,
            more,
            rcv_settle_mode: None,
            state: None,
            resume: false,
            aborted,
            batchable: true,
        }
    }

    fn transfer(number: Option<u32>, has_more: bool, is_aborted: bool) -> Transfer {
        Transfer {
            number,
            has_more,
            is_aborted,
        }
    }

    #[test]
    fn a_transfer_is_read_up_to_what_it_carries() {
        for number in [None, Some(0), Some(7), Some(256), Some(u32::MAX)] {
            for (more, aborted) in [(true, false), (false, false), (false, true)] {
                let performative = to_vec(&performative(number, more, aborted)).unwrap();
                let body = [&performative[..], b"carried"].concat();
                let (read, carried) = Transfer::read(&body).unwrap();
                assert_eq!(read, transfer(number, more, aborted));
                assert_eq!(carried, b"carried");
                assert!(Transfer::read(&performative[..performative.len() - 1]).is_err());
            }
        }
    }

    #[test]
    fn parts_become_messages_in_their_order() {
        let (mut contents, mut whole) = Contents::new(3);
        let mut take = |number, more, aborted, carried: &'static [u8]| {
            contents.take(
                &transfer(number, more, aborted),
                Bytes::from_static(carried),
            )
        };
        take(Some(1), false, false, b"one").unwrap();
        take(Some(2), true, false, b"t").unwrap();
        take(None, true, false, b"").unwrap();
        take(Some(2), false, false, b"wo").unwrap();
        // Given up by its sender.
        take(Some(3), true, false, b"x").unwrap();
        take(None, false, true, b"").unwrap();
        // Of nothing that has begun.
        take(None, false, false, b"x").unwrap();
        take(Some(4), false, false, b"").unwrap();
        let more = take(Some(5), false, false, b"five").unwrap_err();
        assert!(more.to_string().contains("credit"));
        let expected = [(1, "one"), (2, "two"), (4, "")];
        for (number, sections) in expected {
            let sections = Bytes::from_static(sections.as_bytes());
            assert_eq!(whole.try_recv(), Ok(Content { number, sections }));
        }
        assert!(whole.try_recv().is_err());
        drop(whole);
        take(Some(6), false, false, b"nobody").unwrap();
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Transfer::read(&bytes);
            let _ = Transfer::read(&[&[0, 0x53, TRANSFER, 0xC0], &bytes[..]].concat());
        }
    }
}

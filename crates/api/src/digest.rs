//! A hash of a call: two are the same if they ask for the same.

use prost::Message;
use ring::digest::{Context, SHA256};

/// Of a call by its name, and of all its arguments as they are sent. What a later version adds to the contract and a caller leaves
/// out changes nothing.
#[must_use]
pub fn digest(call: &str, request: &impl Message) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(call.as_bytes());
    context.update(&[0]);
    context.update(&request.encode_to_vec());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{PayRequest, RebalanceRequest};

    #[test]
    fn calls_that_ask_for_something_else_have_other_digests() {
        let pay = |amount_msat| PayRequest { amount_msat, ..PayRequest::default() };
        assert_eq!(digest("Pay", &pay(Some(1))), digest("Pay", &pay(Some(1))));
        assert_ne!(digest("Pay", &pay(Some(1))), digest("Pay", &pay(Some(2))));
        assert_ne!(digest("Pay", &pay(Some(1))), digest("Pay", &pay(None)));
        assert_ne!(digest("Pay", &pay(None)), digest("Rebalance", &RebalanceRequest::default()));
    }
}

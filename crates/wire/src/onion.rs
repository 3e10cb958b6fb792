//! `onion_message` (BOLT 4).

use crate::macros::message;
use bitcoin::secp256k1::PublicKey;

message! {
    /// A message for whoever peels its onion to the end (BOLT 4).
    pub struct OnionMessage = 513 onion_message {
        /// The point that unblinds the receiver's part of the path.
        path_key: PublicKey,
        /// The onion, of any size that fits a message; its reader interprets it.
        onion_message_packet: Vec<u8>,
    }
}

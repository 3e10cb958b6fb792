//! Why bytes are not a message, and why a message is not bytes.

/// Largest message that the transport can carry, type included (BOLT 1).
pub const MAX_MESSAGE_LEN: usize = 65_535;

/// Why a single value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The bytes end before the value does (BOLT 1: a known message with insufficient length).
    #[error("the bytes end before the value does")]
    Truncated,
    /// A TLV value is longer than its encoding (BOLT 1: length not exactly that required).
    #[error("{0} bytes too many")]
    TooLong(usize),
    /// A BigSize or truncated integer that has a shorter form (BOLT 1).
    #[error("the integer is not minimally encoded")]
    NotMinimal,
    /// An amount above 21 million bitcoin (BOLT 1).
    #[error("the amount is above 21 million bitcoin")]
    AboveAllBitcoin,
    /// 33 bytes that are no point of the curve.
    #[error("not a point on secp256k1")]
    InvalidPoint,
    /// 64 bytes of which a half is not below the order of the curve.
    #[error("not a signature: r or s is out of range")]
    InvalidSignature,
    /// Not a witness stack in Bitcoin's own serialisation (BOLT 2 `witness_data`).
    #[error("not a witness stack in Bitcoin's serialisation")]
    InvalidWitness,
    /// An array in an encoding other than 0, "uncompressed". Encoding 1 was zlib and must not be used (BOLT 7).
    #[error("array encoding {0} is not spoken: only 0, uncompressed")]
    UnknownEncoding(u8),
    /// An address descriptor of a known type that ends too early (BOLT 7: `addrlen` insufficient).
    #[error("an address descriptor of type {0} ends too early")]
    TruncatedAddress(u8),
}

/// Why bytes are no valid TLV stream (BOLT 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlvError {
    /// The bytes end within a type.
    #[error("the stream ends within a record's type")]
    TruncatedType,
    /// The bytes end within the length of a record.
    #[error("the stream ends within the length of record {0}")]
    TruncatedLength(u64),
    /// The length of a record passes the end.
    #[error("record {record} claims {length} bytes of which {left} are there")]
    TruncatedValue {
        /// Type of the record.
        record: u64,
        /// What it claims.
        length: u64,
        /// Bytes left.
        left: usize,
    },
    /// A type that has a shorter form.
    #[error("a record's type is not minimally encoded")]
    TypeNotMinimal,
    /// A length that has a shorter form.
    #[error("the length of record {0} is not minimally encoded")]
    LengthNotMinimal(u64),
    /// Types must be strictly increasing; so the same one twice is refused too.
    #[error("record {record} comes after record {previous}: types must be strictly increasing")]
    NotIncreasing {
        /// Type of the record before.
        previous: u64,
        /// Type of the offending record.
        record: u64,
    },
    /// An even type that the reader does not know.
    #[error("record {0} is even and unknown: it must be understood")]
    UnknownEven(u64),
}

/// Why bytes are no message. All of these oblige the receiver to close the connection (BOLT 1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Too short for the type, or longer than the transport can carry.
    #[error("{0} bytes are no message: it has 2 to {MAX_MESSAGE_LEN}")]
    Size(usize),
    /// A type that is even and unknown (BOLT 1: "it's ok to be odd").
    #[error("message type {0} is even and unknown: it must be understood")]
    UnknownEvenType(u16),
    /// A field, or the value of a TLV record, is wrong.
    #[error("{message}.{field}: {problem}")]
    Field {
        /// BOLT name of the message.
        message: &'static str,
        /// BOLT name of the field.
        field: &'static str,
        /// What is wrong with it.
        problem: ValueError,
    },
    /// The TLV stream after the fields is wrong.
    #[error("extension of {message}: {problem}")]
    Extension {
        /// BOLT name of the message.
        message: &'static str,
        /// What is wrong with it.
        problem: TlvError,
    },
}

/// Why a message is not bytes. What was decoded always encodes; what was put together from parts (a failure reason
/// passed on with attribution data added, say) may not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} has {size} bytes and a message at most {MAX_MESSAGE_LEN}: shorten its variable fields")]
pub struct EncodeError {
    /// BOLT name of the message.
    pub message: &'static str,
    /// Its size in bytes.
    pub size: usize,
}

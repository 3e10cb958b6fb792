//! The form in which the other files write down messages.

/// Whether record types are in the order that BOLT 1 asks for; evaluated when the crate is built.
pub(crate) const fn is_increasing(numbers: &[u64]) -> bool {
    match numbers {
        [] | [_] => true,
        [first, rest @ ..] => *first < rest[0] && is_increasing(rest),
    }
}

/// Defines a message as the BOLT does: its number and name, its fields in order, its TLV records by type. Each field's
/// type says how it stands on the wire ([`crate::codec`]). `of` names the field that holds the channel's id.
///
/// ```text
/// message! {
///     /// What it is for.
///     pub struct ChannelReady = 36 channel_ready, of channel_id {
///         /// The channel.
///         channel_id: ChannelId,
///     } tlvs {
///         /// An alias.
///         1 => short_channel_id: Option<ShortChannelId>,
///     }
/// }
/// ```
macro_rules! message {
    (
        $(#[$doc:meta])*
        pub struct $name:ident = $number:literal $bolt_name:ident $(, of $channel:ident)? {
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
        } $(tlvs {
            $($(#[$tlv_doc:meta])* $tlv_number:literal => $tlv:ident: $tlv_type:ty,)*
        })?
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            $($($(#[$tlv_doc])* pub $tlv: $tlv_type,)*)?
        }

        impl $crate::message::Body for $name {
            const TYPE: u16 = $number;
            const NAME: &'static str = stringify!($bolt_name);

            fn read(bytes: &[u8]) -> Result<Self, $crate::error::DecodeError> {
                use $crate::error::DecodeError;
                let message = Self::NAME;
                let mut reader = $crate::codec::Reader::new(bytes);
                $(
                    let $field = <$type as $crate::codec::Field>::read(&mut reader)
                        .map_err(|problem| DecodeError::Field { message, field: stringify!($field), problem })?;
                )*
                $($(let mut $tlv = <$tlv_type>::default();)*)?
                const KNOWN: &[u64] = &[$($($tlv_number),*)?];
                const { assert!($crate::macros::is_increasing(KNOWN), "records are written in the order of their types") };
                for record in $crate::tlv::TlvStream::new(reader.take_rest(), |number| KNOWN.contains(&number)) {
                    let record = record.map_err(|problem| DecodeError::Extension { message, problem })?;
                    match record.number {
                        $($(
                            $tlv_number => $crate::codec::TlvSlot::fill(&mut $tlv, record.value).map_err(
                                |problem| DecodeError::Field { message, field: stringify!($tlv), problem },
                            )?,
                        )*)?
                        _unknown_odd => {}
                    }
                }
                Ok(Self { $($field,)* $($($tlv,)*)? })
            }

            fn write(&self, out: &mut Vec<u8>) {
                $($crate::codec::Field::write(&self.$field, out);)*
                $($(
                    if let Some(value) = $crate::codec::TlvSlot::value(&self.$tlv) {
                        $crate::tlv::write_record(out, $tlv_number, &value);
                    }
                )*)?
            }

            fn channel_id(&self) -> Option<astrape_primitives::ChannelId> {
                message!(@channel self $($channel)?)
            }
        }

        impl From<$name> for $crate::message::Message {
            fn from(message: $name) -> Self {
                Self::$name(message)
            }
        }
    };
    (@channel $self:ident $channel:ident) => { Some($self.$channel) };
    (@channel $self:ident) => { None };
}
pub(crate) use message;

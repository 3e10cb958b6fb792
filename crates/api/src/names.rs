//! Enumerations of the contract as words, for JSON and for people.

use crate::v1::{
    ChannelEventKind, ChannelState, CloseKind, CoinState, InvoiceState, PaymentDirection, PaymentState,
};
use serde::Serializer;

/// An enumeration of the contract.
pub trait Named: TryFrom<i32> + Default {
    /// What all its names begin with.
    const PREFIX: &'static str;

    /// The name in the contract.
    fn full_name(&self) -> &'static str;

    /// The name without what all share, in lower case: `awaiting_confirmations`.
    fn short_name(&self) -> String {
        let full = self.full_name();
        full.strip_prefix(Self::PREFIX).unwrap_or(full).to_ascii_lowercase()
    }
}

/// The name of a value as it stands in a message. A value of a newer contract counts as unspecified.
#[must_use]
pub fn name_of<E: Named>(value: i32) -> String {
    E::try_from(value).unwrap_or_default().short_name()
}

/// Values of an enumeration as they stand in a message: one, or a list of them.
pub(crate) trait Numbers {
    /// Gives them to `serde` by their names.
    fn serialize<E: Named, S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl Numbers for i32 {
    fn serialize<E: Named, S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&name_of::<E>(*self))
    }
}

impl Numbers for Vec<i32> {
    fn serialize<E: Named, S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|value| name_of::<E>(*value)))
    }
}

/// For `serde`: the values of a field by their names.
pub(crate) fn by_name<E: Named, V: Numbers, S: Serializer>(
    values: &V,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    values.serialize::<E, S>(serializer)
}

macro_rules! named {
    ($($enumeration:ident: $prefix:literal),+ $(,)?) => {
        $(impl Named for $enumeration {
            const PREFIX: &'static str = $prefix;
            fn full_name(&self) -> &'static str {
                self.as_str_name()
            }
        })+
    };
}

named! {
    CoinState: "COIN_STATE_",
    ChannelState: "CHANNEL_STATE_",
    CloseKind: "CLOSE_KIND_",
    PaymentDirection: "PAYMENT_DIRECTION_",
    PaymentState: "PAYMENT_STATE_",
    InvoiceState: "INVOICE_STATE_",
    ChannelEventKind: "CHANNEL_EVENT_KIND_",
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{Payment, PaymentPart};

    #[test]
    fn states_are_told_by_name() {
        assert_eq!(ChannelState::AwaitingConfirmations.short_name(), "awaiting_confirmations");
        assert_eq!(name_of::<PaymentState>(3), "failed");
        assert_eq!(name_of::<PaymentState>(77), "unspecified");
    }

    #[test]
    fn json_has_names_and_keeps_its_shape_when_something_is_absent() {
        let payment = Payment {
            direction: PaymentDirection::Sent.into(),
            state: PaymentState::Pending.into(),
            ..Payment::default()
        };
        let json = serde_json::to_value(&payment).expect("a message is JSON");
        assert_eq!(json["direction"], "sent");
        assert_eq!(json["state"], "pending");
        assert!(json["preimage"].is_null());
    }

    #[test]
    fn the_parts_of_a_payment_tell_their_state_by_name_too() {
        let part = PaymentPart { state: PaymentState::Succeeded.into(), ..PaymentPart::default() };
        let payment = Payment { parts: vec![part], ..Payment::default() };
        let json = serde_json::to_value(&payment).expect("a message is JSON");
        assert_eq!(json["parts"][0]["state"], "succeeded");
        let listed = Numbers::serialize::<PaymentState, _>(&vec![2, 3], serde_json::value::Serializer);
        assert_eq!(listed.expect("names"), serde_json::json!(["succeeded", "failed"]));
    }

    #[test]
    fn no_enumeration_of_the_contract_is_told_by_number() {
        let generated = include_str!(concat!(env!("OUT_DIR"), "/astrape.v1.rs"));
        let fields: Vec<&str> = generated.split("#[prost(").skip(1).collect();
        let of_enumerations: Vec<&&str> =
            fields.iter().filter(|field| field.starts_with("enumeration")).collect();
        assert!(of_enumerations.len() >= 10, "{} fields", of_enumerations.len());
        for field in of_enumerations {
            let name = field.lines().find(|line| line.trim_start().starts_with("pub ")).unwrap_or_default();
            assert!(field.contains("names::by_name::<"), "a number is told: {name}");
        }
    }
}

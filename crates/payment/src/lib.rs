//! Payments: received, passed on and sent. Pure decisions over values: what comes in is a value of the channel or the onion,
//! what goes out is a value for the channel or a next value of ours.
//!
//! The node owns the tables (open invoices, sets that are being collected, payments under way) and carries what is
//! decided here to the channels.
//!
//! | room | what is in it |
//! |---|---|
//! | [`jam`] | whether a forward may use what others need more: slots, amounts, time; and who has earned it |
//! | [`probing`] | how often others may find out by failures what a channel has |
//! | [`policy`] | [`ForwardPolicy`], [`PaymentPolicy`]: the operator's choices, with their reasons |
//! | [`relay`](mod@relay) | whether an HTLC is passed on, and as what (BOLT 2, 4 and 7) |
//! | [`receive`](mod@receive) | whether an HTLC pays an invoice of ours; sets of several parts (BOLT 4) |
//! | [`answer`] | how an incoming HTLC is settled or failed |
//! | [`send`] | [`Payment`]: one payment of ours as a value; retries, parts, and what failures teach |
//! | [`background`] | probes that nobody has asked for: how often, how large |
//! | [`intercept`] | forwards that an application is asked about |
//! | [`route`] | amounts and expiries along a way, computed backwards |
//! | [`refusal`] | why a payment cannot begin, and what to do about it |
//! | `words` | every failure, told for people |
//!
//! # Invariants
//! - A preimage of ours leaves only for the right payment secret, the asked amount and an expiry with time left.
//! - Nothing that relays knows an invoice, so that no preimage of ours can settle a forwarded HTLC.
//! - Of a payment, what is in flight never exceeds its amount, nor its fees the limit; it ends once, as sent or as failed, and
//!   as failed only when nothing is in flight.
//!
//! # Never
//! No clock, no randomness, no key, no table. It never offers an HTLC after a preimage is known.

pub mod answer;
pub mod background;
pub mod intercept;
pub mod jam;
pub mod policy;
pub mod probing;
pub mod receive;
pub mod refusal;
pub mod relay;
pub mod route;
pub mod send;
mod words;

pub use policy::{ChannelPolicy, ForwardPolicy, InboundFee, PaymentPolicy, PolicyRefusal};
pub use receive::{OpenInvoice, Part, Receipt, Receiving, receive};
pub use refusal::PayRefusal;
pub use relay::{RelayTarget, relay};
pub use send::{
    Circle, OwnChannel, PayOutput, PayRequest, PayView, Payee, Payment, PaymentPart, RouteQuery, Taught,
    Trip, TripEnd, WayBack,
};

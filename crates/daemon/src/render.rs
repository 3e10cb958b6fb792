//! Answers of the API as text for people. Pure: from a message to a text.
//!
//! | room | what is in it |
//! |---|---|
//! | [`table`] | tables, and lists of names and values |
//! | [`words`] | amounts, times, states and ids in words |
//! | [`node`], [`money`], [`channels`], [`closes`], [`invoices`], [`payments`], [`policies`], [`probe`], [`stats`], [`events`] | the answers |

pub mod channels;
pub mod closes;
pub mod events;
pub mod graph;
pub mod invoices;
pub mod money;
pub mod node;
pub mod payments;
pub mod policies;
pub mod probe;
pub mod route;
pub mod stats;
pub mod table;
pub mod words;

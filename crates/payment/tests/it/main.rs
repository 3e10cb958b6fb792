//! What payments do, one file a behaviour.
#![allow(missing_docs)]

mod anew;
mod answer;
mod answers;
mod background;
mod beside;
mod blame;
mod conversation;
mod failures;
mod hold;
mod jam;
mod keysend;
mod network;
mod offers;
mod parts;
mod probes;
mod probing;
mod properties;
mod receive;
mod refusals;
mod relay;
mod retries;
mod scouts;
mod support;
mod temporary;
mod terms;
mod trips;
mod waiting;

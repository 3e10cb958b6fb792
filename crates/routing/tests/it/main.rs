//! Behaviour of the network's graph and of the search for ways through it, one file each.

mod graph;
mod kit;

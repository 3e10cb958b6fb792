//! Behaviour of the network's graph and of the search for ways through it, one file each.

mod arrive;
mod check;
mod ends;
mod file;
mod graph;
mod hostile;
mod kit;
mod oracle;
mod score;
mod search;
mod why;

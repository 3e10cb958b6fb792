//! An ldk-node as a process of its own, told what to do by lines on its standard input.
//!
//! ldk-node is a library; so that it is measured as `astrape` is, apart from who asks for payments, this gives it a process
//! and the thinnest way in that there is. A request is a line `NUMBER VERB ARGUMENTS`, its answer a line `NUMBER ok RESULT`
//! or `NUMBER no REASON`, in any order. Nothing is logged below warnings.
//!
//! Its store is ldk-node's own SQLite with ldk-node's own settings, its chain source the RPC of bitcoind.

mod desk;
mod payments;

use anyhow::{Context as _, Result, anyhow};
use desk::Desk;
use ldk_node::bitcoin::Network;
use ldk_node::logger::LogLevel;
use ldk_node::{Builder, Node};
use std::path::Path;
use std::sync::Arc;

/// `bench-ldk-node NAME DIRECTORY LISTEN RPC COOKIE`.
struct Arguments {
    /// How it is called in gossip.
    name: String,
    /// Where it keeps its files.
    directory: String,
    /// `HOST:PORT` for peers.
    listen: String,
    /// `HOST:PORT` of bitcoind's RPC.
    rpc: String,
    /// bitcoind's cookie file.
    cookie: String,
}

fn main() -> Result<()> {
    let node = Arc::new(build(&arguments()?)?);
    node.start()?;
    let (desk, payments) = Desk::open(Arc::clone(&node));
    std::thread::spawn(move || payments.follow_events());
    desk.serve()?;
    node.stop()?;
    Ok(())
}

fn arguments() -> Result<Arguments> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [name, directory, listen, rpc, cookie] =
        given.try_into().map_err(|_| anyhow!("bench-ldk-node NAME DIRECTORY LISTEN RPC COOKIE"))?;
    Ok(Arguments { name, directory, listen, rpc, cookie })
}

fn build(arguments: &Arguments) -> Result<Node> {
    let cookie = std::fs::read_to_string(&arguments.cookie).context("bitcoind's cookie")?;
    let (user, password) = cookie.trim().split_once(':').context("a cookie is USER:PASSWORD")?;
    let (host, port) = arguments.rpc.split_once(':').context("the RPC is HOST:PORT")?;
    let log = Path::new(&arguments.directory).join("log").display().to_string();
    let listen = arguments.listen.parse().map_err(|why| anyhow!("{}: {why:?}", arguments.listen))?;
    let mut builder = Builder::new();
    builder.set_network(Network::Regtest);
    builder.set_storage_dir_path(arguments.directory.clone());
    builder.set_filesystem_logger(Some(log), Some(LogLevel::Warn));
    builder.set_chain_source_bitcoind_rpc(
        host.to_owned(),
        port.parse()?,
        user.to_owned(),
        password.to_owned(),
    );
    builder.set_gossip_source_p2p();
    builder.set_listening_addresses(vec![listen])?;
    builder.set_node_alias(arguments.name.clone())?;
    Ok(builder.build()?)
}

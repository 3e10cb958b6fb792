//! The node as a process: started from its settings, served, stopped gracefully.

use super::exit::Failure;
use super::files;
use crate::config::seed::SeedFile;
use crate::config::{Settings, birthday, log, private};
use crate::engine::{self, ChainBackend, EngineConfig};
use crate::service::{server, usual_alias};
use anyhow::Context as _;
use astrape_signer::InProcessSigner;
use astrape_transactions::signing::Signer as _;
use sd_notify::NotifyState;
use std::path::Path;
use std::sync::Arc;

/// Runs a node until it is stopped.
pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    log::init(&settings.log_filter, settings.log_format);
    files::raise_limit();
    let runtime =
        tokio::runtime::Runtime::new().map_err(|e| Failure::Refused(format!("cannot start: {e}")))?;
    let done = runtime.block_on(serve(settings));
    // What is blocked (a lookup, a name that is resolved) shall not hold up the end.
    runtime.shutdown_background();
    Ok(done?)
}

/// Tells the story of three nodes.
pub(crate) fn playground(keep: bool) -> Result<(), Failure> {
    log::init(&log::LogFilter::errors(), log::LogFormat::Text);
    let runtime =
        tokio::runtime::Runtime::new().map_err(|e| Failure::Refused(format!("cannot start: {e}")))?;
    let told = runtime.block_on(async {
        let mut signals = Signals::listen().context("cannot listen for signals")?;
        crate::playground::run(keep, signals.next()).await
    });
    runtime.shutdown_background();
    Ok(told?)
}

async fn serve(settings: &Settings) -> anyhow::Result<()> {
    let place = &settings.place;
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    create_private(&place.data_dir)?;
    private::mend(&place.data_dir)?;
    let seed = SeedFile::load_or_create(&place.data_dir)?;
    if seed.is_new {
        tracing::warn!("{}", seed.advice());
    }
    let (handle, running) = engine::start(engine_config(settings, &seed)?).await?;
    let alias = settings.alias.clone();
    let mut api = match server::offer(handle.clone(), alias, &place.data_dir, &place.rpc_to_offer()).await {
        Ok(api) => api,
        Err(error) => {
            running.stop().await?;
            return Err(error);
        }
    };
    tracing::info!(address = %api.address(), "the API is offered");
    tell_systemd(NotifyState::Ready);
    let mut ended = std::pin::pin!(running.join());
    let begun = tokio::select! {
        signal = signals.next() => { tracing::info!(signal, "asked to stop"); Begun::Asked(Ok(())) }
        asked = api.stop_asked() => Begun::Asked(asked.inspect(|()| tracing::info!("asked to stop by the API"))),
        ended = &mut ended => Begun::Ended(ended),
    };
    tell_systemd(NotifyState::Stopping);
    api.close().await;
    let asked = match begun {
        Begun::Asked(asked) => asked,
        Begun::Ended(ended) => return ended,
    };
    handle.begin_stop();
    tokio::select! {
        ended = &mut ended => ended.and(asked),
        signal = signals.next() => anyhow::bail!("{signal} again: stopped at once; nothing is lost by that"),
    }
}

/// What the end of a node began with.
enum Begun {
    /// Somebody asked for it, or nobody can ask any more.
    Asked(anyhow::Result<()>),
    /// The engine has ended by itself.
    Ended(anyhow::Result<()>),
}

fn engine_config(settings: &Settings, seed: &SeedFile) -> anyhow::Result<EngineConfig> {
    let (network, developer) = (settings.place.network, &settings.developer);
    let data_dir = settings.place.data_dir.clone();
    let wallet_birthday = birthday::find(&data_dir, network, settings.wallet_birthday, seed.is_restored)?;
    let signer = InProcessSigner::with_developer_keys(&seed.seed, network, developer.keys.clone())?;
    let mut node = astrape_node::Config::new(signer.node_id(), network);
    node.channel.minimum_depth = settings.minimum_depth;
    node.channel.min_funding = settings.min_channel;
    node.channel.max_funding = settings.max_channel;
    node.channel.max_anchors_feerate = settings.max_commitment_feerate;
    node.payment.forward = settings.relay.clone();
    node.payment.accept_keysend = settings.accept_keysend;
    node.payment.intercept = settings.intercept;
    node.payment.intercept_millis = settings.intercept_secs * 1_000;
    node.payment.background_probes = settings.background_probes;
    node.appearance = astrape_node::Appearance {
        alias: settings.alias.clone().unwrap_or_else(|| usual_alias(&signer.node_id())),
        rgb_color: settings.color,
        addresses: settings.announce.clone(),
    };
    node.fixed_feerate = developer.fixed_feerate;
    if let Some(lowest) = developer.fixed_feerate {
        node.channel.feerate_floor = lowest;
    }
    Ok(EngineConfig {
        network,
        data_dir,
        signer: Arc::new(signer),
        listen: settings.listen.clone(),
        chain: ChainBackend::Bitcoind(settings.bitcoind.clone()),
        node,
        wallet_birthday,
        dns_seeds: settings.dns_seeds.clone(),
        name_server: None,
        estimate: developer.estimate,
        dev_fast: developer.fast,
    })
}

/// The data directory, for its owner only.
fn create_private(dir: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir).with_context(|| format!("cannot make the data directory {}", dir.display()))
}

/// For `Type=notify` units. Without systemd it does nothing.
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(false, &[state]) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}

/// What asks a process to end.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(unix)]
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    #[cfg(not(unix))]
    fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> &'static str {
        // Without a handler the process ends at once, which is safe too.
        let _ = tokio::signal::ctrl_c().await;
        "CTRL-C"
    }
}

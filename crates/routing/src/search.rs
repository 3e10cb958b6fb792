//! Ways through the network: one, or several for one amount.
//!
//! | room | what is in it |
//! |---|---|
//! | `request` | [`Request`]: what is asked, and the limits |
//! | `route` | [`Route`]: what is found |
//! | `refusal` | [`NoRoute`]: why nothing is found |
//! | `field` | what a search moves on |
//! | `price` | fee, risk and time as one cost |
//! | `tree` | one way: backwards from the recipient |
//! | `ahead`, `split`, `lane` | several ways: the next cheapest beside those that are planned |
//! | `explain` | which limit or which lack of money it was |
//!
//! A way never breaks a limit; whether the cheapest way within the limits is found is certain where no limit cuts a cheaper
//! one off, and tried by other weights where one does.

mod ahead;
mod explain;
mod field;
mod heap;
mod lane;
mod price;
mod refusal;
mod request;
mod route;
mod split;
mod start;
mod tree;

pub use refusal::NoRoute;
pub use request::{
    Asked, Bound, FirstHop, HintHop, InFlight, Limits, MAX_HOPS, MAX_PARTS, Request, Start, Weights,
};
pub use route::{Route, RouteHop, RoutePart};

use crate::score::Scores;
use crate::score::chance::millionths;
use crate::snapshot::Snapshot;
use ahead::Ahead;
use astrape_primitives::Msat;
use astrape_primitives::amount::MAX_MONEY_SAT;
use field::Field;
use lane::Lane;
use price::{Aim, Prices};
use split::{Tools, split};
use std::sync::Arc;
use tree::{Cut, Tree};

/// Most units that an amount is cut into to be split.
const MAX_UNITS: usize = 16;

/// Finds ways on a snapshot. It keeps its working memory between searches: have one for each thread that searches.
#[derive(Clone, Debug)]
pub struct Finder {
    field: Field,
    tree: Tree,
    ahead: Ahead,
}

impl Finder {
    /// To search a snapshot with what is known of its liquidity.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, scores: &Scores) -> Self {
        Self { field: Field::new(snapshot, scores), tree: Tree::new(), ahead: Ahead::new() }
    }

    /// Goes on with a newer snapshot, or newer knowledge.
    pub fn look_at(&mut self, snapshot: &Arc<Snapshot>, scores: &Scores) {
        if Arc::ptr_eq(snapshot, &self.field.snapshot) {
            self.field.learn(scores);
        } else {
            self.field = Field::new(Arc::clone(snapshot), scores);
        }
    }

    /// Finds the way, or the ways, of least cost within the limits. Where what was learnt leaves none, it is looked for against
    /// that: others move money too, and only an attempt tells whether they did.
    ///
    /// # Errors
    /// Says which limit stands in the way, or where how much is missing.
    pub fn find(&mut self, request: &Request<'_>) -> Result<Route, NoRoute> {
        let found = self.search_once(request);
        match found {
            Err(reason) if reason.is_want_of_money() && self.field.has_learnt() => {
                self.field.doubts = true;
                let doubtful = self.search_once(request);
                self.field.doubts = false;
                // A limit that is met where nothing learnt stands in the way is what can be raised.
                doubtful.map_err(|other| if other.is_want_of_money() { reason } else { other })
            }
            found => found,
        }
    }

    fn search_once(&mut self, request: &Request<'_>) -> Result<Route, NoRoute> {
        self.field.clear();
        let found = self.search(request);
        self.field.clear();
        found
    }

    fn search(&mut self, request: &Request<'_>) -> Result<Route, NoRoute> {
        let (aim, barred) = start::enter(&mut self.field, request)?;
        if let Some(reason) = explain::at_the_ends(&self.field, &aim, request) {
            return Err(reason);
        }
        self.tree.measure(&self.field, &aim);
        let mut tools =
            Tools { field: &mut self.field, tree: &mut self.tree, ahead: &mut self.ahead, barred: &barred };
        let max_parts = request.limits.max_parts.min(MAX_PARTS);
        let single = if max_parts > 0 { one_way(&mut tools, &aim).map(|lane| vec![lane]) } else { None };
        let several =
            if max_parts > 1 { ways(&mut tools, &aim, max_parts, single.is_some()) } else { Err(None) };
        let missing = several.as_ref().err().copied().flatten();
        let lanes = [single, several.ok()].into_iter().flatten();
        let routes = lanes.filter_map(|lanes| route(tools.field, &aim, lanes));
        match routes.min_by_key(|route| route.cost) {
            Some(route) => Ok(route),
            None => Err(explain::explain(&mut tools, &aim, request, missing)),
        }
    }
}

/// The cheapest way within the limits; where those cut all off, one that is cheap in what is limited.
fn one_way(tools: &mut Tools<'_>, aim: &Aim) -> Option<Lane> {
    if let Some(lane) = grown(tools, aim) {
        return Some(lane);
    }
    let Cut { fee, blocks, hops } = tools.tree.cut;
    let others = [(fee, Prices::CHEAPEST), (blocks, Prices::SOONEST), (hops, Prices::SHORTEST)];
    let mut others = others.into_iter().filter(|(cut, _)| *cut);
    others.find_map(|(_, prices)| grown(tools, &Aim { prices, ..*aim }))
}

fn grown(tools: &mut Tools<'_>, aim: &Aim) -> Option<Lane> {
    if !tools.tree.grow(tools.field, aim, tools.barred) {
        return None;
    }
    let way = tools.tree.way(tools.field, aim);
    Lane::new(tools.field, aim, way, aim.amount)
}

/// Several ways. Where there is a single way too, one attempt is enough. The error is what no flow brings, where it is that.
fn ways(
    tools: &mut Tools<'_>,
    aim: &Aim,
    max_parts: usize,
    has_single: bool,
) -> Result<Vec<Lane>, Option<u64>> {
    let units = u64::try_from(max_parts.min(MAX_UNITS)).unwrap_or(1);
    let cheapest = Aim { prices: Prices::CHEAPEST, ..*aim };
    // The limit of the fee keeps early parts from ways that later ones would have made up for.
    let free = Aim { max_fee: MAX_MONEY_SAT * 1_000, ..cheapest };
    // Equal units first; then as large ones as there is room for, which makes fewer parts.
    for (tried, unit) in [
        (aim, aim.amount.div_ceil(units)),
        (aim, aim.amount.div_ceil(2)),
        (&cheapest, aim.amount.div_ceil(units)),
        (&cheapest, aim.amount.div_ceil(2)),
        (&free, aim.amount.div_ceil(2)),
    ] {
        let split = split(tools, tried, unit, max_parts);
        if split.missing == 0 && split.lanes.iter().map(Lane::fee).sum::<u64>() <= aim.max_fee {
            return Ok(split.lanes);
        }
        if split.full {
            return Err(Some(split.missing));
        }
        if has_single {
            return Err(None);
        }
    }
    Err(None)
}

/// Makes what is found presentable.
fn route(field: &mut Field, aim: &Aim, mut lanes: Vec<Lane>) -> Option<Route> {
    lanes.sort_by_key(|lane| core::cmp::Reverse(lane.delivered));
    let (mut cost, mut nats, mut entered) = (0_u64, 0.0, 0);
    for lane in &lanes {
        let Some((more_cost, more_nats)) = lane.cost(field, aim).zip(lane.nats(field)) else { break };
        cost = cost.saturating_add(more_cost);
        nats += more_nats;
        lane.enter(field, true);
        entered += 1;
    }
    lanes[..entered].iter().for_each(|lane| lane.enter(field, false));
    let parts: Vec<RoutePart> = lanes.iter().map(|lane| part(field, lane)).collect::<Option<_>>()?;
    let fee: Msat = parts.iter().map(|part| part.fee).sum();
    let complete = entered == lanes.len() && fee.0 <= aim.max_fee;
    complete.then_some(Route { parts, fee, chance_millionths: millionths(nats), cost })
}

fn part(field: &Field, lane: &Lane) -> Option<RoutePart> {
    let mut blocks = lane.blocks;
    let mut hops = Vec::with_capacity(lane.edges.len());
    for (at, (number, amount)) in lane.edges.iter().zip(&lane.amounts).enumerate() {
        let place = field.place(*number);
        if at > 0 {
            blocks -= u32::from(field.edge(*number).cltv_expiry_delta);
        }
        let public = field.is_public(*number);
        hops.push(RouteHop {
            short_channel_id: place.short_channel_id,
            node: field.id(place.to)?,
            amount: Msat(*amount),
            blocks,
            public: public.then(|| (field.direction(*number), Msat(place.capacity))),
        });
    }
    Some(RoutePart { amount: Msat(lane.delivered), fee: Msat(lane.fee()), hops })
}

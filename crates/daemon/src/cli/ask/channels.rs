//! Channels.

use super::Asking;
use crate::cli::arguments::{Close, Onchain, Open, SetChannel};
use crate::cli::exit::Failure;
use crate::render;
use astrape_api::v1::{
    CloseChannelRequest, ListChannelsRequest, ListClosesRequest, OpenChannelRequest, SetChannelRequest,
};

impl Asking {
    pub(super) async fn open(mut self, open: &Open) -> Result<(), Failure> {
        let request = OpenChannelRequest {
            node_id: open.peer.node_id.to_string(),
            address: open.peer.address.as_ref().map(ToString::to_string),
            amount_sat: open.amount.0.0,
            push_msat: open.push.0,
            private: open.private,
            format: open.channel_type.map(|kind| kind.name().to_owned()),
            feerate_perkw: open.fees.per_kw(),
            spend_reserve: open.spend_reserve,
            accept_high_fee: open.accept_high_fee,
            request_id: open.request_id.clone(),
        };
        let opened = self.client.open_channel(request).await?.into_inner();
        self.show(&opened, render::channels::opened)
    }

    pub(super) async fn channels(mut self) -> Result<(), Failure> {
        let channels = self.client.list_channels(ListChannelsRequest {}).await?.into_inner();
        self.show(&channels, render::channels::channels)
    }

    pub(super) async fn setchannel(mut self, change: &SetChannel) -> Result<(), Failure> {
        let request = SetChannelRequest {
            channel: change.channel.clone(),
            fee_base_msat: change.fee_base_msat.map(u64::from),
            fee_proportional_millionths: change.fee_ppm,
            cltv_expiry_delta: change.cltv_expiry_delta,
            htlc_minimum_msat: change.htlc_min.map(|amount| amount.0),
            htlc_maximum_msat: change.htlc_max.map(|amount| amount.0),
            inbound_base_msat: change.inbound_base_msat,
            inbound_proportional_millionths: change.inbound_ppm,
            reset: change.reset,
        };
        let changed = self.client.set_channel(request).await?.into_inner();
        self.show(&changed, render::policies::policies)
    }

    pub(super) async fn onchain(mut self, onchain: &Onchain) -> Result<(), Failure> {
        let request = ListClosesRequest {
            channel: onchain.channel.clone(),
            limit: Some(onchain.limit),
            before: onchain.before,
            after: onchain.after.clone(),
        };
        let closes = self.client.list_closes(request).await?.into_inner();
        let is_behind = onchain.before.is_some() || onchain.after.is_some();
        self.show(&closes, |closes| {
            if closes.closes.is_empty() && is_behind {
                return render::words::no_more("channels that were closed");
            }
            let page = render::closes::closes(closes, onchain.channel.is_some());
            page + &render::closes::next_page(closes, onchain.limit)
        })
    }

    pub(super) async fn close(mut self, close: &Close) -> Result<(), Failure> {
        let request = CloseChannelRequest {
            channel: close.channel.clone(),
            address: close.to.clone(),
            force: close.force,
            dry_run: close.force && !close.yes,
        };
        let dry_run = request.dry_run;
        let closing = self.client.close_channel(request).await?.into_inner();
        self.show(&closing, render::channels::closing)?;
        if dry_run {
            return Err(Failure::Refused(
                "nothing was done: add --yes to close the channel by force".to_owned(),
            ));
        }
        Ok(())
    }
}

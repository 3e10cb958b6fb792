//! Channels.

use super::Asking;
use crate::cli::exit::Failure;
use crate::cli::{Close, Open};
use crate::render;
use astrape_api::v1::{CloseChannelRequest, ListChannelsRequest, OpenChannelRequest};

impl Asking {
    pub(super) async fn open(mut self, open: &Open) -> Result<(), Failure> {
        let request = OpenChannelRequest {
            node_id: open.peer.node_id.to_string(),
            address: open.peer.address.as_ref().map(ToString::to_string),
            amount_sat: open.amount.0.0,
            push_msat: open.push.0,
            private: open.private,
            feerate_perkw: open.feerate_perkw,
        };
        let opened = self.client.open_channel(request).await?.into_inner();
        self.show(&opened, render::channels::opened)
    }

    pub(super) async fn channels(mut self) -> Result<(), Failure> {
        let channels = self.client.list_channels(ListChannelsRequest {}).await?.into_inner();
        self.show(&channels, render::channels::channels)
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

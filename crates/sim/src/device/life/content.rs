//! Content: the request, its files, what is shown.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use argosy_agent_core::{
    Action, CommandId, ContentAgent, ContentEvent, ContentFile, ContentOffer, ContentPolicy, FetchError,
    FileIdentity, Jitter, Outcome, Reason, Report,
};
use argosy_proto::message::UpdateAdvertisement;

use super::Life;
use crate::counters::Counters;
use crate::device::lasting::VirtualContent;
use crate::device::words::{self, Note};
use crate::http::{Fetched, Fetcher, Range, Url};

/// The content machine and its own download connection. Made with the first request: most of a large fleet shows nothing.
pub(super) struct ContentLife {
    pub(super) agent: ContentAgent<VirtualContent, Arc<Url>>,
    fetcher: Fetcher,
    fetched_ms: u64,
}

impl ContentLife {
    pub(super) fn stall_ms(&self, timeout_ms: u64) -> Option<u64> {
        self.fetcher.awaits_bytes().then(|| self.fetched_ms + timeout_ms)
    }
}

/// A request in the core's words; the text says why it cannot be one.
fn offer(request: &UpdateAdvertisement) -> Result<ContentOffer<Arc<Url>>, String> {
    let command = CommandId::new(request.command_id.as_str()).map_err(|error| error.to_string())?;
    let files = request.contents.iter().map(|file| {
        let url: Url =
            file.signed_url.url.parse().map_err(|error| format!("the download's address: {error}"))?;
        let info = &file.file_info;
        let size = u32::try_from(info.size).map_err(|_| "a file is larger than 4 GiB".to_owned())?;
        let identity = FileIdentity { id: info.id.get(), hash: info.file_hash, size };
        Ok(ContentFile { identity, locator: Arc::new(url) })
    });
    let files: Vec<_> = files.collect::<Result<_, String>>()?;
    ContentOffer::new(command, files).map_err(|error| error.to_string())
}

impl Life<'_> {
    pub(super) fn content_request(&mut self, request: &UpdateAdvertisement) {
        // An old board has one download at a time, whatever it is for.
        if self.legacy() && self.agent.busy_with().is_some() {
            return;
        }
        match offer(request) {
            Ok(offer) => self.content_step(ContentEvent::Request(offer)),
            Err(why) if self.legacy() => {
                tracing::debug!(key = %self.key(), %why, "device {} ignores a content request", self.key());
            }
            Err(why) => {
                let message = words::rejected(request.command_id.clone(), why, self.time());
                self.publish(&message, Note::Nothing);
            }
        }
    }

    /// Whether a command is the content's.
    pub(super) fn content_runs(&self, command: CommandId) -> bool {
        self.content.as_ref().is_some_and(|content| content.agent.busy_with() == Some(command))
    }

    pub(super) fn content_busy(&self) -> bool {
        self.content.as_ref().is_some_and(|content| content.agent.busy_with().is_some())
    }

    pub(super) fn content_step(&mut self, event: ContentEvent<'_, Arc<Url>>) {
        let now = self.context.now_ms();
        let content = match &mut self.content {
            Some(content) => content,
            None => {
                let features = &self.context.config.features;
                let policy = ContentPolicy {
                    download: *self.agent.policy(),
                    result_per_file: features.result_per_file.unwrap_or(self.context.config.mode.is_legacy()),
                    ignore_second: self.context.config.mode.is_legacy(),
                    reuse: !self.context.config.mode.is_legacy(),
                };
                let store = self.ledger.lasting.content(features.content_capacity);
                let jitter = Jitter::new(self.jitter.up_to(u64::MAX));
                let Ok(agent) = ContentAgent::start(store, policy, jitter);
                let fetcher = Fetcher::new();
                let new = ContentLife { agent, fetcher, fetched_ms: now };
                self.content.insert(Box::new(new))
            }
        };
        let actions = content.agent.step(now, event);
        self.content_actions(actions);
    }

    fn content_actions(&mut self, actions: impl IntoIterator<Item = Action>) {
        for action in actions {
            match action {
                Action::Send(Report::Status) => {
                    if let Some(content) = &self.content {
                        self.ledger.lasting.show(content.agent.shown());
                    }
                    self.send_status();
                }
                Action::Send(report) => self.content_report(&report),
                Action::Fetch { from, to } => {
                    let now = self.context.now_ms();
                    if let Some(ContentLife { agent, fetcher, fetched_ms }) = self.content.as_deref_mut()
                        && let Some(url) = agent.locator()
                    {
                        fetcher.ask(url, Range { from, to });
                        *fetched_ms = now;
                    }
                }
                Action::StopFetch => {
                    if let Some(content) = &mut self.content {
                        content.fetcher.hang_up();
                    }
                }
                // Content never restarts a device.
                Action::SelfTest | Action::Reboot => {}
            }
        }
    }

    fn content_report(&mut self, report: &Report) {
        let mut note = Note::Nothing;
        if let Report::Result { outcome, reason, .. } = report {
            let ended = !self.content_busy() && !matches!(reason, Reason::Superseded);
            let good = *outcome == Outcome::Success;
            if ended {
                note = Note::Content(if good { Ok(()) } else { Err(reason.to_string()) });
            }
        }
        let (boot, mode, time) = (self.agent.boot_report(), self.context.config.mode, self.time());
        if let Some((message, _)) = words::message(report, &boot, None, mode, time) {
            self.publish(&message, note);
        }
    }

    /// Goes on with the download; `true` if something came.
    pub(super) fn poll_content(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let Some(content) = self.content.as_deref_mut() else { return false };
        let (context, now) = (self.context, self.context.now_ms());
        let ContentLife { agent, fetcher, fetched_ms } = content;
        let mut produced = Vec::new();
        let mut bytes_in = 0;
        let polled = fetcher.poll(cx, &|url| context.connect_http(url), &mut |bytes| {
            bytes_in += bytes.len() as u64;
            produced.extend(agent.step(now, ContentEvent::Data(bytes)));
        });
        if matches!(polled, Poll::Ready(Fetched::Progress)) {
            *fetched_ms = now;
        }
        if bytes_in > 0 {
            Counters::add(&context.counters.content_bytes, bytes_in);
        }
        self.content_actions(produced);
        match polled {
            Poll::Pending => false,
            Poll::Ready(Fetched::Progress) => true,
            Poll::Ready(Fetched::Failed(failure)) => {
                self.context.counters.retry(&format!("content: {}", failure.kind));
                self.content_step(ContentEvent::FetchFailed(failure.error));
                true
            }
        }
    }

    pub(super) fn content_stalled(&mut self) {
        if let Some(content) = &mut self.content {
            content.fetcher.hang_up();
        }
        self.context.counters.retry("content: stalled");
        self.content_step(ContentEvent::FetchFailed(FetchError::Link));
    }
}

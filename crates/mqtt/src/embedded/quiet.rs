//! The parts of the broker that are switched off: routing between clients, and sessions that outlive a connection.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rmqtt::codec::types::Publish as CodecPublish;
use rmqtt::fitter::{DefaultFitter, Fitter, FitterManager};
use rmqtt::router::Router;
use rmqtt::types::{
    AllRelationsMap, ConnectInfo, Disconnect, FitterType, HashMap, Id, ListenerConfig, NodeId, Route,
    SubRelationsMap, SubsSearchParams, SubsSearchResult, SubscriptionOptions, TopicName,
};
use rmqtt::utils::Counter;

/// Routes nothing to nobody: what a device says goes to the engine, what it is told comes from the engine. Subscriptions are
/// kept by the sessions alone, for the operator to see.
#[derive(Default)]
pub(super) struct NoRouter {
    relations: AllRelationsMap,
}

#[async_trait]
impl Router for NoRouter {
    async fn add(&self, _: &str, _: Id, _: SubscriptionOptions) -> rmqtt::Result<()> {
        Ok(())
    }

    async fn remove(&self, _: &str, _: Id) -> rmqtt::Result<bool> {
        Ok(true)
    }

    async fn matches(&self, _: Id, _: &TopicName) -> rmqtt::Result<SubRelationsMap> {
        Ok(SubRelationsMap::default())
    }

    async fn is_online(&self, _: NodeId, _: &str) -> bool {
        false
    }

    async fn gets(&self, _: usize) -> Vec<Route> {
        Vec::new()
    }

    async fn get(&self, _: &str) -> rmqtt::Result<Vec<Route>> {
        Ok(Vec::new())
    }

    async fn query_subscriptions(&self, _: &SubsSearchParams) -> Vec<SubsSearchResult> {
        Vec::new()
    }

    async fn topics_tree(&self) -> usize {
        0
    }

    fn topics(&self) -> Counter {
        Counter::new()
    }

    fn routes(&self) -> Counter {
        Counter::new()
    }

    fn merge_topics(&self, _: &HashMap<NodeId, Counter>) -> Counter {
        Counter::new()
    }

    fn merge_routes(&self, _: &HashMap<NodeId, Counter>) -> Counter {
        Counter::new()
    }

    async fn list_topics(&self, _: usize) -> Vec<String> {
        Vec::new()
    }

    async fn list_relations(&self, _: usize) -> Vec<serde_json::Value> {
        Vec::new()
    }

    fn relations(&self) -> &AllRelationsMap {
        &self.relations
    }
}

/// Makes [`OurFitter`]s.
pub(super) struct OurFitters {
    pub(super) max_keepalive: Duration,
}

impl FitterManager for OurFitters {
    fn create(&self, info: Arc<ConnectInfo>, id: Id, config: ListenerConfig) -> FitterType {
        let max_keepalive = u16::try_from(self.max_keepalive.as_secs()).unwrap_or(u16::MAX).max(1);
        Arc::new(OurFitter { inner: DefaultFitter::new(info, id, config), max_keepalive })
    }
}

/// rmqtt's own policy, but: a session ends with its connection whatever a client asks for (a v5 DISCONNECT can ask for more),
/// and a keepalive of zero or an overlong one is cut to the limit instead of being refused.
struct OurFitter {
    inner: DefaultFitter,
    max_keepalive: u16,
}

#[async_trait]
impl Fitter for OurFitter {
    fn keep_alive(&self, keep_alive: &mut u16) -> rmqtt::Result<u16> {
        if *keep_alive == 0 || *keep_alive > self.max_keepalive {
            *keep_alive = self.max_keepalive;
        }
        self.inner.keep_alive(keep_alive)
    }

    fn max_mqueue_len(&self) -> usize {
        self.inner.max_mqueue_len()
    }

    fn mqueue_rate_limit(&self) -> (NonZeroU32, Duration) {
        self.inner.mqueue_rate_limit()
    }

    fn max_inflight(&self) -> NonZeroU16 {
        self.inner.max_inflight()
    }

    fn session_expiry_interval(&self, _: Option<&Disconnect>) -> Duration {
        Duration::ZERO
    }

    fn message_expiry_interval(&self, publish: &CodecPublish) -> Duration {
        self.inner.message_expiry_interval(publish)
    }

    fn max_client_topic_aliases(&self) -> u16 {
        0
    }

    fn max_server_topic_aliases(&self) -> u16 {
        0
    }
}

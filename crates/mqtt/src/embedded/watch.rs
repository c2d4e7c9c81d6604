//! Watches the sockets of one listener.

use std::fmt;
use std::sync::Arc;

use argosy_domain::ports::Door;
use rmqtt::codec::types::Publish;
use rmqtt::net::{Connection, Failure, Observer, Taken};

use super::core::Core;
use super::links::Link;
use crate::metrics::{Refused, add, down};

/// The observer of one listener.
pub(super) struct Watch {
    pub(super) core: Arc<Core>,
    pub(super) door: Door,
}

impl Observer for Watch {
    fn accepted(&self, connection: &Arc<Connection>) -> bool {
        let core = &self.core;
        add(&core.metrics.accepted, 1);
        if core.stopping.is_cancelled() {
            core.metrics.refused(Refused::Stopping);
            return false;
        }
        if !core.links.open(Link::new(connection.clone(), self.door), core.limits.max_connections) {
            core.metrics.refused(Refused::TooManyConnections);
            if core.log_budget() {
                tracing::warn!(
                    limit = core.limits.max_connections,
                    peer = %connection.remote_addr(),
                    "connection refused: as many as allowed are open"
                );
            }
            return false;
        }
        add(&core.metrics.open, 1);
        true
    }

    fn failed(&self, connection: &Connection, failure: Failure, detail: &dyn fmt::Display) {
        let metrics = &self.core.metrics;
        let (counter, what) = match failure {
            Failure::TlsHandshake => (&metrics.tls_failed, "TLS handshake failed"),
            Failure::TlsTimeout => (&metrics.handshake_timeouts, "no TLS handshake in time"),
            Failure::Connect => (&metrics.connect_failed, "no valid CONNECT"),
            Failure::ConnectTimeout => (&metrics.handshake_timeouts, "no CONNECT in time"),
        };
        add(counter, 1);
        if self.core.log_budget() {
            tracing::info!(peer = %connection.remote_addr(), door = ?self.door, %detail, "connection failed: {what}");
        }
    }

    fn closed(&self, connection: &Connection) {
        down(&self.core.metrics.open);
        if let Some(link) = self.core.links.close(connection.number()) {
            self.core.clone().closed(link);
        }
    }

    fn received(&self, bytes: usize) {
        add(&self.core.metrics.bytes_in, bytes);
    }

    fn publish(&self, connection: &Arc<Connection>, publish: &Publish) -> Option<Taken> {
        self.core.intake(connection, publish)
    }

    fn sent(&self, bytes: usize) {
        add(&self.core.metrics.bytes_out, bytes);
    }
}

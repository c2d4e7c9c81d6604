//! The port, answered by the files beside this one.

use std::path::Path;

use argosy_domain::Timestamp;
use argosy_domain::model::{DeviceLatest, EventRow, SampleRow, SeriesRow, StatusSample, StreamSample};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{
    EventFilter, Maintained, PortResult, RangeQuery, SalesQuery, SalesReport, SampleFilter, SeriesKind,
    SeriesRange, SeriesStats, SeriesStore, TimeSpan,
};
use argosy_proto::{DeviceId, StreamName};
use async_trait::async_trait;

use super::open::EmbeddedSeries;

#[async_trait]
impl SeriesStore for EmbeddedSeries {
    async fn append(&self, rows: Vec<SeriesRow>) -> PortResult<()> {
        self.append_rows(rows).await
    }

    async fn latest(&self, devices: &[DeviceId]) -> PortResult<Vec<DeviceLatest>> {
        self.read_latest(devices).await
    }

    async fn range(&self, query: &RangeQuery) -> PortResult<SeriesRange> {
        self.read_range(query).await
    }

    async fn statuses(
        &self,
        filter: &SampleFilter,
        page: &PageRequest,
    ) -> PortResult<Page<SampleRow<StatusSample>>> {
        self.page_of_samples(filter, None, page).await
    }

    async fn stream(
        &self,
        filter: &SampleFilter,
        stream: &StreamName,
        page: &PageRequest,
    ) -> PortResult<Page<SampleRow<StreamSample>>> {
        self.page_of_samples(filter, Some(stream), page).await
    }

    async fn events(&self, filter: &EventFilter, page: &PageRequest) -> PortResult<Page<EventRow>> {
        self.page_of_events(filter, page).await
    }

    async fn sales(&self, query: &SalesQuery) -> PortResult<SalesReport> {
        self.sum_sales(query).await
    }

    async fn count(&self, kind: SeriesKind, span: TimeSpan, device: Option<DeviceId>) -> PortResult<u64> {
        match kind {
            SeriesKind::Event(kind) => self.count_events(kind, span, device).await,
            kind => self.count_samples(kind, span, device).await,
        }
    }

    async fn stats(&self) -> PortResult<SeriesStats> {
        Ok(self.read_stats())
    }

    async fn maintain(&self, now: Timestamp) -> PortResult<Maintained> {
        self.keep_house(now).await
    }

    async fn flush(&self) -> PortResult<()> {
        self.flush_all().await.map(drop)
    }

    async fn snapshot(&self, into: &Path) -> PortResult<()> {
        self.copy_into(into).await
    }
}

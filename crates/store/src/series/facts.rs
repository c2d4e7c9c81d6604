//! Events as columns: one shape for all kinds, in the journal and in the partitions' one table.

use argosy_domain::Timestamp;
use argosy_domain::model::{DownloadStep, Event, EventKind, EventRow, Fact, NoteTopic, SeriesRow};
use argosy_domain::ports::{SeriesKind, presence_word};
use argosy_proto::{DeploymentId, DeviceId, DeviceKey, StreamName};

use super::codec::{
    Malformed, Read, Reader, put_bytes, put_float, put_int, put_status, put_stream, put_times, put_uint,
    read_times,
};

/// The columns of an event. What each kind keeps where stands in [`columns`].
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Columns {
    pub(super) ref_id: Option<i64>,
    pub(super) amount: Option<i64>,
    pub(super) percent: Option<i64>,
    pub(super) duration: Option<i64>,
    pub(super) speed: Option<f64>,
    pub(super) word: Option<String>,
    pub(super) label: Option<String>,
    pub(super) text: Option<String>,
    pub(super) extra: Option<String>,
    pub(super) body: Option<Vec<u8>>,
}

/// An event as columns.
pub(super) fn columns(event: Event) -> Columns {
    let none = Columns::default();
    match event {
        Event::Log { tag, text } => Columns { word: Some(tag), text: Some(text), ..none },
        Event::Sale { item, variety } => Columns { word: Some(item), label: variety, ..none },
        Event::Download { deployment, step, bytes, percent, speed_kbps, download_ms, message } => Columns {
            ref_id: Some(deployment.0),
            word: Some(step.as_str().to_owned()),
            amount: bytes,
            percent: percent.map(i64::from),
            speed: speed_kbps,
            duration: download_ms.map(|ms| ms as i64),
            text: message,
            ..none
        },
        Event::Presence { online } => Columns { word: Some(presence_word(online).to_owned()), ..none },
        Event::Note { topic, command_id, status, text } => Columns {
            word: Some(topic.as_str().to_owned()),
            label: command_id,
            extra: status,
            text: Some(text),
            ..none
        },
        Event::DeadLetter { key, topic, reason, payload } => Columns {
            label: Some(key.as_str().to_owned()),
            extra: Some(topic),
            text: Some(reason),
            body: Some(payload),
            ..none
        },
    }
}

/// An event from its columns.
pub(super) fn event(kind: EventKind, c: Columns) -> Read<Event> {
    let word = c.word.ok_or(Malformed);
    let text = c.text.ok_or(Malformed);
    Ok(match kind {
        EventKind::Log => Event::Log { tag: word?, text: text? },
        EventKind::Sale => Event::Sale { item: word?, variety: c.label },
        EventKind::Download => Event::Download {
            deployment: DeploymentId(c.ref_id.ok_or(Malformed)?),
            step: word?.parse::<DownloadStep>().map_err(|_| Malformed)?,
            bytes: c.amount,
            percent: c.percent.map(u8::try_from).transpose().map_err(|_| Malformed)?,
            speed_kbps: c.speed,
            download_ms: c.duration.map(|ms| ms as u64),
            message: text.ok(),
        },
        EventKind::Presence => Event::Presence { online: word? == presence_word(true) },
        EventKind::Note => Event::Note {
            topic: word?.parse::<NoteTopic>().map_err(|_| Malformed)?,
            command_id: c.label,
            status: c.extra,
            text: text?,
        },
        EventKind::DeadLetter => Event::DeadLetter {
            key: DeviceKey::new(c.label.ok_or(Malformed)?).map_err(|_| Malformed)?,
            topic: c.extra.ok_or(Malformed)?,
            reason: text?,
            payload: c.body.ok_or(Malformed)?,
        },
    })
}

fn put_columns(out: &mut Vec<u8>, c: &Columns) {
    let ints = [c.ref_id, c.amount, c.percent, c.duration];
    let texts = [&c.word, &c.label, &c.text, &c.extra];
    let mut mask = 0_u16;
    for (bit, value) in ints.iter().enumerate() {
        mask |= u16::from(value.is_some()) << bit;
    }
    for (bit, value) in texts.iter().enumerate() {
        mask |= u16::from(value.is_some()) << (4 + bit);
    }
    mask |= u16::from(c.body.is_some()) << 8 | u16::from(c.speed.is_some()) << 9;
    out.extend_from_slice(&mask.to_le_bytes());
    ints.into_iter().flatten().for_each(|value| put_int(out, value));
    texts.into_iter().flatten().for_each(|text| put_bytes(out, text.as_bytes()));
    if let Some(body) = &c.body {
        put_bytes(out, body);
    }
    if let Some(speed) = c.speed {
        put_float(out, speed);
    }
}

fn read_columns(from: &mut Reader<'_>) -> Read<Columns> {
    let mask = u16::from(from.byte()?) | u16::from(from.byte()?) << 8;
    let int = |bit: u16, from: &mut Reader<'_>| (mask >> bit & 1 == 1).then(|| from.int()).transpose();
    let (ref_id, amount) = (int(0, from)?, int(1, from)?);
    let (percent, duration) = (int(2, from)?, int(3, from)?);
    let text = |bit: u16, from: &mut Reader<'_>| {
        (mask >> bit & 1 == 1).then(|| from.text().map(str::to_owned)).transpose()
    };
    let (word, label) = (text(4, from)?, text(5, from)?);
    let (text_, extra) = (text(6, from)?, text(7, from)?);
    let body = (mask >> 8 & 1 == 1).then(|| from.bytes().map(<[u8]>::to_vec)).transpose()?;
    let speed = (mask >> 9 & 1 == 1).then(|| from.float()).transpose()?;
    Ok(Columns { ref_id, amount, percent, duration, speed, word, label, text: text_, extra, body })
}

/// The tag of a kind in the journal. Never given to another kind.
const fn tag(kind: SeriesKind) -> u8 {
    match kind {
        SeriesKind::Status => 1,
        SeriesKind::Data => 2,
        SeriesKind::Event(EventKind::Log) => 16,
        SeriesKind::Event(EventKind::Sale) => 17,
        SeriesKind::Event(EventKind::Download) => 18,
        SeriesKind::Event(EventKind::Presence) => 19,
        SeriesKind::Event(EventKind::Note) => 20,
        SeriesKind::Event(EventKind::DeadLetter) => 21,
    }
}

/// What a journal entry says, borrowed from its frame.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    /// A sample: its record is kept as it is.
    Sample { kind: SeriesKind, device: DeviceId, stream: &'a str, at: Timestamp, record: &'a [u8] },
    /// An event; its id is the caller's to give.
    Event(EventRow),
}

/// Appends the entry of a row; returns the row's event, if it is one, since it need not be read back.
pub(super) fn put_row(out: &mut Vec<u8>, scratch: &mut Vec<u8>, row: SeriesRow) -> RowKept {
    scratch.clear();
    put_times(scratch, row.at, row.device_time);
    let (kind, stream, event) = match row.fact {
        Fact::Status(sample) => {
            put_status(scratch, &sample);
            (SeriesKind::Status, None, None)
        }
        Fact::Data(sample) => {
            put_stream(scratch, &sample);
            (SeriesKind::Data, Some(sample.stream), None)
        }
        Fact::Event(event) => {
            let kind = SeriesKind::Event(event.kind());
            put_columns(scratch, &columns(event.clone()));
            (kind, None, Some(event))
        }
    };
    out.push(tag(kind));
    put_int(out, row.device.0);
    if let Some(stream) = &stream {
        put_bytes(out, stream.as_str().as_bytes());
    }
    put_uint(out, scratch.len() as u64);
    let start = out.len();
    out.extend_from_slice(scratch);
    RowKept {
        kind,
        device: row.device,
        at: row.at,
        device_time: row.device_time,
        stream,
        event,
        record: start..out.len(),
    }
}

/// A row that was written to a frame, with what the head needs of it.
#[derive(Debug)]
pub(super) struct RowKept {
    pub(super) kind: SeriesKind,
    pub(super) device: DeviceId,
    pub(super) at: Timestamp,
    pub(super) device_time: Option<Timestamp>,
    pub(super) stream: Option<StreamName>,
    pub(super) event: Option<Event>,
    /// Where its record lies in the frame.
    pub(super) record: std::ops::Range<usize>,
}

/// Reads the next entry of a frame.
pub(super) fn read_entry<'a>(from: &mut Reader<'a>) -> Read<Entry<'a>> {
    let tag_found = from.byte()?;
    let kind = SeriesKind::ALL.into_iter().find(|kind| tag(*kind) == tag_found).ok_or(Malformed)?;
    let device = DeviceId(from.int()?);
    let stream = if kind == SeriesKind::Data { from.text()? } else { "" };
    let record = from.bytes()?;
    let mut reader = Reader(record);
    let (at, device_time) = read_times(&mut reader)?;
    match kind {
        SeriesKind::Event(kind) => {
            let event = event(kind, read_columns(&mut reader)?)?;
            Ok(Entry::Event(EventRow { id: 0, device, at, device_time, event }))
        }
        kind => Ok(Entry::Sample { kind, device, stream, at, record }),
    }
}

/// About how many bytes an event takes in memory.
pub(super) fn weight(event: &Event) -> usize {
    const ROW: usize = core::mem::size_of::<EventRow>();
    ROW + match event {
        Event::Log { tag, text } => tag.len() + text.len(),
        Event::Sale { item, variety } => item.len() + variety.as_ref().map_or(0, String::len),
        Event::Download { message, .. } => message.as_ref().map_or(0, String::len),
        Event::Presence { .. } => 0,
        Event::Note { command_id, status, text, .. } => {
            text.len() + [command_id, status].into_iter().flatten().map(String::len).sum::<usize>()
        }
        Event::DeadLetter { key, topic, reason, payload } => {
            key.as_str().len() + topic.len() + reason.len() + payload.len()
        }
    }
}

//! Samples of one device, packed column by column: what a partition keeps of them.
//!
//! A chunk is `rows, times, device times, columns`; a column is `name, length, encoding, presence, values`, so that a reader skips the
//! columns it was not asked for. Whole numbers, and floats that are exact hundredths, are differences of differences kept small; texts
//! are a dictionary and runs. What fits nothing better is kept value by value.

use std::collections::BTreeMap;

use super::codec::{Malformed, Read, Reader, Value, hundredths, put_bytes, put_float, put_int, put_uint};

/// Samples of one chunk at most: what a reader decodes for one row.
pub(super) const CHUNK_ROWS: usize = 256;

/// Encodings of a column.
const INTS: u8 = 0;
const HUNDREDTHS: u8 = 1;
const FLOATS: u8 = 2;
const BOOLS: u8 = 3;
const TEXTS: u8 = 4;
const MIXED: u8 = 5;

/// Collects samples into a chunk.
#[derive(Debug, Default)]
pub(super) struct ChunkWriter<'a> {
    times: Vec<i64>,
    device_times: Vec<Option<i64>>,
    columns: BTreeMap<&'a str, Vec<(u32, Value<'a>)>>,
}

impl<'a> ChunkWriter<'a> {
    /// Begins the next sample; its time is not before the one's before.
    pub(super) fn row(&mut self, at: i64, device_time: Option<i64>) {
        self.times.push(at);
        self.device_times.push(device_time);
    }

    /// A value of the sample begun last.
    pub(super) fn value(&mut self, column: &'a str, value: Value<'a>) {
        let row = self.times.len().saturating_sub(1) as u32;
        self.columns.entry(column).or_default().push((row, value));
    }

    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// The first and the last time; `None` of an empty chunk.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        Some((*self.times.first()?, *self.times.last()?))
    }

    /// The chunk; the writer is empty again.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let rows = self.times.len();
        let mut out = Vec::with_capacity(64 + rows * 20);
        put_uint(&mut out, rows as u64);
        let mut steps = Steps::default();
        self.times.iter().for_each(|at| steps.put(&mut out, *at));
        let mut column = Vec::new();
        let late = self.times.iter().zip(&self.device_times).zip(0_u32..);
        let late: Vec<_> =
            late.filter_map(|((at, time), row)| Some((row, Value::Int(at.wrapping_sub((*time)?))))).collect();
        encode(&late, rows, &mut column);
        put_bytes(&mut out, &column);
        put_uint(&mut out, self.columns.len() as u64);
        for (name, values) in &self.columns {
            put_bytes(&mut out, name.as_bytes());
            column.clear();
            encode(values, rows, &mut column);
            put_bytes(&mut out, &column);
        }
        self.times.clear();
        self.device_times.clear();
        self.columns.clear();
        out
    }
}

/// Differences of differences: even steps, as of times, take a byte each.
#[derive(Debug, Default)]
struct Steps {
    last: i64,
    step: i64,
    any: bool,
}

impl Steps {
    fn put(&mut self, out: &mut Vec<u8>, value: i64) {
        if !self.any {
            put_int(out, value);
        } else {
            let step = value.wrapping_sub(self.last);
            put_int(out, step.wrapping_sub(self.step));
            self.step = step;
        }
        (self.last, self.any) = (value, true);
    }

    fn read(&mut self, from: &mut Reader<'_>) -> Read<i64> {
        let read = from.int()?;
        if self.any {
            self.step = self.step.wrapping_add(read);
            self.last = self.last.wrapping_add(self.step);
        } else {
            (self.last, self.any) = (read, true);
        }
        Ok(self.last)
    }
}

/// Plain differences: better than [`Steps`] for values that wander.
fn put_differences(out: &mut Vec<u8>, values: impl Iterator<Item = i64>) {
    let mut last = 0_i64;
    for value in values {
        put_int(out, value.wrapping_sub(last));
        last = value;
    }
}

fn encode(values: &[(u32, Value<'_>)], rows: usize, out: &mut Vec<u8>) {
    let Some((_, first)) = values.first() else {
        out.push(MIXED);
        put_presence(values, rows, out);
        return;
    };
    let same = values.iter().all(|(_, v)| core::mem::discriminant(v) == core::mem::discriminant(first));
    let exact: Option<Vec<i64>> = match first {
        Value::Float(_) if same => {
            values.iter().map(|(_, v)| if let Value::Float(f) = v { hundredths(*f) } else { None }).collect()
        }
        _ => None,
    };
    let encoding = match (first, same) {
        (_, false) => MIXED,
        (Value::Int(_), _) => INTS,
        (Value::Float(_), _) if exact.is_some() => HUNDREDTHS,
        (Value::Float(_), _) => FLOATS,
        (Value::Bool(_), _) => BOOLS,
        (Value::Text(_), _) => TEXTS,
    };
    out.push(encoding);
    put_presence(values, rows, out);
    match encoding {
        INTS => {
            let mut steps = Steps::default();
            for (_, value) in values {
                if let Value::Int(whole) = value {
                    steps.put(out, *whole);
                }
            }
        }
        HUNDREDTHS => put_differences(out, exact.unwrap_or_default().into_iter()),
        FLOATS => values.iter().for_each(|(_, v)| {
            if let Value::Float(f) = v {
                put_float(out, *f);
            }
        }),
        BOOLS => {
            let bits = values.iter().map(|(_, v)| matches!(v, Value::Bool(true)));
            put_bits(out, bits);
        }
        TEXTS => put_texts(values, out),
        _ => values.iter().for_each(|(_, v)| v.put(out)),
    }
}

fn put_bits(out: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    for (at, bit) in bits.enumerate() {
        if at % 8 == 0 {
            out.push(0);
        }
        if let Some(byte) = out.last_mut().filter(|_| bit) {
            *byte |= 1 << (at % 8);
        }
    }
}

/// A byte 1 when every row has a value, else a byte 0 and a bit a row.
fn put_presence(values: &[(u32, Value<'_>)], rows: usize, out: &mut Vec<u8>) {
    if values.len() == rows {
        out.push(1);
        return;
    }
    out.push(0);
    let mut there = vec![false; rows];
    for (row, _) in values {
        if let Some(slot) = there.get_mut(*row as usize) {
            *slot = true;
        }
    }
    put_bits(out, there.into_iter());
}

fn put_texts(values: &[(u32, Value<'_>)], out: &mut Vec<u8>) {
    let mut words: Vec<&[u8]> = Vec::new();
    let mut runs: Vec<(usize, u64)> = Vec::new();
    for (_, value) in values {
        let Value::Text(text) = value else { continue };
        let last = runs.last().and_then(|(word, _)| words.get(*word));
        if last == Some(text) {
            if let Some(run) = runs.last_mut() {
                run.1 += 1;
            }
            continue;
        }
        let word = words.iter().position(|word| word == text).unwrap_or_else(|| {
            words.push(text);
            words.len() - 1
        });
        runs.push((word, 1));
    }
    put_uint(out, words.len() as u64);
    words.iter().for_each(|word| put_bytes(out, word));
    for (word, length) in runs {
        put_uint(out, word as u64);
        put_uint(out, length);
    }
}

/// A column's values, a row each.
pub(super) type Values<'a> = Vec<Option<Value<'a>>>;

/// A chunk's samples, with the columns that were asked for.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    pub(super) times: Vec<i64>,
    /// Empty unless asked for.
    pub(super) device_times: Vec<Option<i64>>,
    pub(super) columns: Vec<(&'a str, Values<'a>)>,
}

impl<'a> Chunk<'a> {
    /// Reads a chunk: all of it, or only its times and the columns that `wanted` wants.
    pub(super) fn read(bytes: &'a [u8], all: bool, wanted: impl Fn(&str) -> bool) -> Read<Self> {
        let mut from = Reader(bytes);
        let rows = usize::try_from(from.uint()?).ok().filter(|rows| *rows <= CHUNK_ROWS).ok_or(Malformed)?;
        let mut steps = Steps::default();
        let times = (0..rows).map(|_| steps.read(&mut from)).collect::<Read<Vec<_>>>()?;
        let late = from.bytes()?;
        let mut device_times = Vec::new();
        if all {
            for (at, late) in times.iter().zip(decode(late, rows)?) {
                device_times.push(match late {
                    Some(Value::Int(late)) => Some(at.wrapping_sub(late)),
                    None => None,
                    Some(_) => return Err(Malformed),
                });
            }
        }
        let mut columns = Vec::new();
        for _ in 0..from.uint()? {
            let name = from.text()?;
            let column = from.bytes()?;
            if all || wanted(name) {
                columns.push((name, decode(column, rows)?));
            }
        }
        Ok(Self { times, device_times, columns })
    }
}

fn read_bits(from: &mut Reader<'_>, count: usize) -> Read<Vec<bool>> {
    let bytes = from.take(count.div_ceil(8))?;
    Ok((0..count).map(|at| bytes[at / 8] >> (at % 8) & 1 == 1).collect())
}

fn decode(bytes: &[u8], rows: usize) -> Read<Values<'_>> {
    let mut from = Reader(bytes);
    let encoding = from.byte()?;
    let there = match from.byte()? {
        1 => vec![true; rows],
        _ => read_bits(&mut from, rows)?,
    };
    let count = there.iter().filter(|there| **there).count();
    let mut dense = Vec::with_capacity(count);
    match encoding {
        INTS => {
            let mut steps = Steps::default();
            for _ in 0..count {
                dense.push(Value::Int(steps.read(&mut from)?));
            }
        }
        HUNDREDTHS => {
            let mut last = 0_i64;
            for _ in 0..count {
                last = last.wrapping_add(from.int()?);
                dense.push(Value::Float(last as f64 / 100.0));
            }
        }
        FLOATS => {
            for _ in 0..count {
                dense.push(Value::Float(from.float()?));
            }
        }
        BOOLS => dense.extend(read_bits(&mut from, count)?.into_iter().map(Value::Bool)),
        TEXTS => {
            let words = usize::try_from(from.uint()?).ok().filter(|n| *n <= CHUNK_ROWS).ok_or(Malformed)?;
            let words = (0..words).map(|_| from.bytes()).collect::<Read<Vec<_>>>()?;
            while dense.len() < count {
                let word = usize::try_from(from.uint()?).map_err(|_| Malformed)?;
                let word = *words.get(word).ok_or(Malformed)?;
                let length = usize::try_from(from.uint()?).map_err(|_| Malformed)?;
                if length == 0 || length > count - dense.len() {
                    return Err(Malformed);
                }
                dense.extend(std::iter::repeat_n(Value::Text(word), length));
            }
        }
        MIXED => {
            for _ in 0..count {
                dense.push(Value::read(&mut from)?);
            }
        }
        _ => return Err(Malformed),
    }
    let mut dense = dense.into_iter();
    Ok(there.into_iter().map(|there| if there { dense.next() } else { None }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Any {
        Int(i64),
        Float(f64),
        Hundredths(i16),
        Bool(bool),
        Text(String),
    }

    impl Any {
        fn value(&self) -> Value<'_> {
            match self {
                Self::Int(v) => Value::Int(*v),
                Self::Float(v) => Value::Float(*v),
                Self::Hundredths(v) => Value::Float(f64::from(*v) / 100.0),
                Self::Bool(v) => Value::Bool(*v),
                Self::Text(v) => Value::Text(v.as_bytes()),
            }
        }
    }

    fn any_value() -> impl Strategy<Value = Any> {
        prop_oneof![
            any::<i64>().prop_map(Any::Int),
            any::<f64>().prop_filter("compared", |f| !f.is_nan()).prop_map(Any::Float),
            any::<i16>().prop_map(Any::Hundredths),
            any::<bool>().prop_map(Any::Bool),
            "[a-c]{0,3}".prop_map(Any::Text),
        ]
    }

    /// A column of one type or of several, with gaps.
    fn column(rows: usize) -> impl Strategy<Value = Vec<Option<Any>>> {
        let one_type = any_value().prop_flat_map(move |first| {
            let like = any_value().prop_filter("one type", move |v| {
                core::mem::discriminant(v) == core::mem::discriminant(&first)
            });
            prop::collection::vec(prop::option::weighted(0.9, like), rows)
        });
        prop_oneof![one_type, prop::collection::vec(prop::option::of(any_value()), rows)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, max_local_rejects: 1_000_000, ..ProptestConfig::default() })]
        #[test]
        fn a_chunk_gives_back_what_was_put_in(
            times in prop::collection::vec((any::<i32>(), prop::option::of(any::<i64>())), 1..40),
            columns in prop::collection::vec(column(40), 0..4),
        ) {
            let names = ["a", "b", "long name", "0"];
            let mut writer = ChunkWriter::default();
            for (row, (at, time)) in times.iter().enumerate() {
                writer.row(i64::from(*at), *time);
                for (name, column) in names.iter().zip(&columns) {
                    if let Some(value) = &column[row] {
                        writer.value(name, value.value());
                    }
                }
            }
            let bytes = writer.finish();
            let chunk = Chunk::read(&bytes, true, |_| true).unwrap();
            prop_assert_eq!(chunk.times, times.iter().map(|t| i64::from(t.0)).collect::<Vec<_>>());
            prop_assert_eq!(chunk.device_times, times.iter().map(|t| t.1).collect::<Vec<_>>());
            for (name, column) in names.iter().zip(&columns) {
                let wanted: Vec<_> = column[..times.len()].iter().map(|v| v.as_ref().map(Any::value)).collect();
                match chunk.columns.iter().find(|(found, _)| found == name) {
                    Some((_, values)) => prop_assert_eq!(values, &wanted),
                    None => prop_assert!(wanted.iter().all(Option::is_none)),
                }
            }
        }

        #[test]
        fn damaged_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Chunk::read(&bytes, true, |_| true);
        }
    }

    #[test]
    fn a_usual_status_takes_few_bytes() {
        let mut writer = ChunkWriter::default();
        for n in 0..256_i64 {
            writer.row(1_751_538_645_000 + n * 10_000 + n % 7, None);
            for (column, seed) in [("0", 7), ("1", 11), ("m", 13)] {
                writer.value(column, Value::Float(((n * seed * 37) % 10_000) as f64 / 100.0));
            }
            writer.value("u", Value::Int(n * 10));
            for column in ["c", "l", "v"] {
                writer.value(column, Value::Text(b"192.168.10.17"));
            }
        }
        let len = writer.finish().len();
        assert!(len < 256 * 11, "{len} bytes");
    }
}

//! How a row stands in the journal and in memory: a few bytes of varints, no names, no allocation to write it.
//!
//! An entry is `kind, device, [stream], length, record`; a record begins with its time, so that the head can take it over as it is.
//! Reading never trusts a length: everything that does not add up is [`Malformed`].

use argosy_domain::Timestamp;
use argosy_domain::model::{StatusSample, StreamSample};
use argosy_proto::StreamName;
use argosy_proto::message::DataValue;

/// Bytes that are no row: damage, or a newer version's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored bytes are damaged")]
pub(super) struct Malformed;

pub(super) type Read<T> = Result<T, Malformed>;

/// Writes.
pub(super) fn put_uint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    put_uint(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A float as hundredths when it is exactly that (percentages are), else its eight bytes.
pub(super) fn put_float(out: &mut Vec<u8>, value: f64) {
    match hundredths(value) {
        Some(whole) => put_uint(out, (((whole << 1) ^ (whole >> 63)) as u64) << 1),
        None => {
            out.push(1);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
    }
}

/// `value * 100` if that, divided again, is exactly `value`.
pub(super) fn hundredths(value: f64) -> Option<i64> {
    const LIMIT: f64 = (1_i64 << 50) as f64;
    let scaled = (value * 100.0).round();
    let whole = scaled as i64;
    let exact = scaled.abs() < LIMIT && (whole as f64 / 100.0).to_bits() == value.to_bits();
    exact.then_some(whole)
}

/// Reads from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn uint(&mut self) -> Read<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    pub(super) fn int(&mut self) -> Read<i64> {
        let value = self.uint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn bytes(&mut self) -> Read<&'a [u8]> {
        let len = usize::try_from(self.uint()?).map_err(|_| Malformed)?;
        self.take(len)
    }

    pub(super) fn text(&mut self) -> Read<&'a str> {
        core::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub(super) fn float(&mut self) -> Read<f64> {
        let value = self.uint()?;
        if value == 1 {
            let bits = self.take(8)?.try_into().map_err(|_| Malformed)?;
            return Ok(f64::from_bits(u64::from_le_bytes(bits)));
        }
        let zigzag = value >> 1;
        let whole = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        Ok(whole as f64 / 100.0)
    }
}

/// A value of a sample, borrowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Int(i64),
    Float(f64),
    Bool(bool),
    /// UTF-8, except for the list of shown files.
    Text(&'a [u8]),
}

impl Value<'_> {
    /// A tag and the value.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Int(value) => {
                out.push(0);
                put_int(out, value);
            }
            Self::Float(value) => {
                out.push(1);
                put_float(out, value);
            }
            Self::Bool(flag) => out.push(2 + u8::from(flag)),
            Self::Text(text) => {
                out.push(4);
                put_bytes(out, text);
            }
        }
    }

    pub(super) fn read<'a>(from: &mut Reader<'a>) -> Read<Value<'a>> {
        match from.byte()? {
            0 => from.int().map(Value::Int),
            1 => from.float().map(Value::Float),
            2 => Ok(Value::Bool(false)),
            3 => Ok(Value::Bool(true)),
            4 => from.bytes().map(Value::Text),
            _ => Err(Malformed),
        }
    }

    pub(super) fn to_data(self) -> Read<DataValue> {
        Ok(match self {
            Self::Int(value) => DataValue::Int(value),
            Self::Float(value) => DataValue::Float(value),
            Self::Bool(flag) => DataValue::Bool(flag),
            Self::Text(text) => DataValue::Text(text_of(text)?),
        })
    }
}

fn text_of(bytes: &[u8]) -> Read<String> {
    core::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Malformed)
}

fn borrowed(value: &DataValue) -> Value<'_> {
    match value {
        DataValue::Int(value) => Value::Int(*value),
        DataValue::Float(value) => Value::Float(*value),
        DataValue::Bool(flag) => Value::Bool(*flag),
        DataValue::Text(text) => Value::Text(text.as_bytes()),
    }
}

/// The times that every record begins with.
pub(super) fn put_times(out: &mut Vec<u8>, at: Timestamp, device_time: Option<Timestamp>) {
    put_int(out, at.0);
    match device_time {
        None => out.push(0),
        Some(time) => {
            out.push(1);
            put_int(out, at.0.wrapping_sub(time.0));
        }
    }
}

pub(super) fn read_times(from: &mut Reader<'_>) -> Read<(Timestamp, Option<Timestamp>)> {
    let at = from.int()?;
    let device_time = match from.byte()? {
        0 => None,
        1 => Some(Timestamp(at.wrapping_sub(from.int()?))),
        _ => return Err(Malformed),
    };
    Ok((Timestamp(at), device_time))
}

/// The columns of a status, in the order of the bits of its mask; their stored names are one letter each.
pub(super) const STATUS_COLUMNS: [&str; 11] = ["0", "1", "m", "d", "u", "s", "c", "l", "g", "v", "a"];

pub(super) fn put_status(out: &mut Vec<u8>, sample: &StatusSample) {
    let numbers = [sample.cpu_0, sample.cpu_1, sample.memory, sample.storage];
    let texts = [&sample.connection, &sample.local_ip, &sample.gateway_ip, &sample.firmware_version];
    let mut mask = 0_u16;
    for (bit, number) in numbers.iter().enumerate() {
        mask |= u16::from(number.is_some()) << bit;
    }
    mask |= u16::from(sample.uptime.is_some()) << 4 | u16::from(sample.signal.is_some()) << 5;
    for (bit, text) in texts.iter().enumerate() {
        mask |= u16::from(text.is_some()) << (6 + bit);
    }
    mask |= u16::from(sample.advertisements.is_some()) << 10;
    out.extend_from_slice(&mask.to_le_bytes());
    for number in numbers.into_iter().flatten() {
        put_float(out, number);
    }
    if let Some(uptime) = sample.uptime {
        put_int(out, uptime as i64);
    }
    if let Some(signal) = sample.signal {
        put_float(out, signal);
    }
    for text in texts.into_iter().flatten() {
        put_bytes(out, text.as_bytes());
    }
    if let Some(shown) = &sample.advertisements {
        // Lists are short: their length is known after them.
        let mut list = Vec::with_capacity(shown.len() * 4);
        shown.iter().for_each(|id| put_int(&mut list, *id));
        put_bytes(out, &list);
    }
}

/// The values of a status record, by the position of their column.
pub(super) fn read_status<'a>(from: &mut Reader<'a>) -> Read<[Option<Value<'a>>; 11]> {
    let mask = u16::from(from.byte()?) | u16::from(from.byte()?) << 8;
    let mut values = [None; 11];
    for (bit, slot) in values.iter_mut().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1) {
        *slot = Some(match bit {
            0..=3 | 5 => Value::Float(from.float()?),
            4 => Value::Int(from.int()?),
            _ => Value::Text(from.bytes()?),
        });
    }
    Ok(values)
}

/// A status from its values.
pub(super) fn status_of(values: &[Option<Value<'_>>; 11]) -> Read<StatusSample> {
    let float = |at: usize| match values[at] {
        Some(Value::Float(value)) => Ok(Some(value)),
        None => Ok(None),
        Some(_) => Err(Malformed),
    };
    let text = |at: usize| match values[at] {
        Some(Value::Text(text)) => text_of(text).map(Some),
        None => Ok(None),
        Some(_) => Err(Malformed),
    };
    let uptime = match values[4] {
        Some(Value::Int(value)) => Some(value as u64),
        None => None,
        Some(_) => return Err(Malformed),
    };
    let advertisements = match values[10] {
        Some(Value::Text(list)) => {
            let (mut list, mut shown) = (Reader(list), Vec::new());
            while !list.is_empty() {
                shown.push(list.int()?);
            }
            Some(shown)
        }
        None => None,
        Some(_) => return Err(Malformed),
    };
    Ok(StatusSample {
        cpu_0: float(0)?,
        cpu_1: float(1)?,
        memory: float(2)?,
        storage: float(3)?,
        uptime,
        signal: float(5)?,
        connection: text(6)?,
        local_ip: text(7)?,
        gateway_ip: text(8)?,
        firmware_version: text(9)?,
        advertisements,
    })
}

pub(super) fn put_stream(out: &mut Vec<u8>, sample: &StreamSample) {
    put_uint(out, sample.values.len() as u64);
    for (name, value) in &sample.values {
        put_bytes(out, name.as_bytes());
        borrowed(value).put(out);
    }
}

/// Gives each column of a stream's record to `each`.
pub(super) fn read_stream<'a>(
    from: &mut Reader<'a>,
    mut each: impl FnMut(&'a str, Value<'a>) -> Read<()>,
) -> Read<()> {
    for _ in 0..from.uint()? {
        let name = from.text()?;
        each(name, Value::read(from)?)?;
    }
    Ok(())
}

/// A stream's sample from its record.
pub(super) fn stream_of(stream: &StreamName, from: &mut Reader<'_>) -> Read<StreamSample> {
    let mut values = std::collections::BTreeMap::new();
    read_stream(from, |name, value| {
        values.insert(name.to_owned(), value.to_data()?);
        Ok(())
    })?;
    Ok(StreamSample { stream: stream.clone(), values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_bit_for_bit() {
        for value in [
            0.0,
            -0.0,
            0.1 + 0.2,
            12.34,
            -99.99,
            100.0,
            f64::MAX,
            f64::MIN_POSITIVE,
            1e17,
            0.005,
            f64::INFINITY,
        ] {
            let mut out = Vec::new();
            put_float(&mut out, value);
            let mut reader = Reader(&out);
            assert_eq!(reader.float().unwrap().to_bits(), value.to_bits(), "{value}");
            assert!(reader.is_empty());
        }
        for value in [0, 1, -1, i64::MIN, i64::MAX, 127, 128, -64, -65] {
            let mut out = Vec::new();
            put_int(&mut out, value);
            assert_eq!(Reader(&out).int(), Ok(value));
        }
    }

    #[test]
    fn a_percentage_takes_few_bytes() {
        let mut out = Vec::new();
        put_float(&mut out, 37.25);
        assert_eq!(out.len(), 2);
    }

    #[test]
    fn what_does_not_add_up_is_no_row() {
        assert_eq!(Reader(&[0x80; 11]).uint(), Err(Malformed));
        assert_eq!(Reader(&[200, 1, 1]).bytes(), Err(Malformed));
        assert!(Value::read(&mut Reader(&[9])).is_err());
        assert!(read_status(&mut Reader(&[0xff])).is_err());
    }
}

//! A file on its way to the server, with its progress on the terminal.

use std::io::{self, Read as _};
use std::path::Path;

use argosy_api::{CreateUploadRequest, CreateUploadResponse, UploadedResponse};
use aws_lc_rs::digest;
use bytes::Bytes;
use futures::TryStreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::io::ReaderStream;

use crate::args::{Exit, Failure};
use crate::cli::context::Context;

/// Bytes read and sent at once.
const PIECE: usize = 64 * 1024;

/// The name of the file that a path names.
pub(crate) fn file_name(path: &Path) -> Result<String, Failure> {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .ok_or_else(|| Failure::usage(format!("{} is no file", path.display())))
}

/// A refused registration, with how to try again without sending the file again.
pub(crate) fn resend_hint(failure: Failure, upload: &str) -> Failure {
    let hint = match failure.exit {
        // Nothing that other arguments could change.
        Exit::Refused | Exit::Conflict => String::new(),
        _ => format!(
            "\n  the file is at the server: with other arguments add --upload {upload}, and it is not sent again"
        ),
    };
    Failure { message: failure.message + &hint, ..failure }
}

/// Sends the file; the upload's id.
pub(crate) async fn upload(context: &mut Context, path: &Path, file_name: &str) -> Result<String, Failure> {
    let (size, hash) = look_through(path)?;
    let request = CreateUploadRequest { file_name: file_name.to_owned(), size: i64::try_from(size).ok() };
    let upload: CreateUploadResponse = context.client.create("uploads", &request).await?;
    let bar = if context.out.is_watched() { bar(size) } else { ProgressBar::hidden() };
    let file = tokio::fs::File::open(path).await.map_err(|error| unreadable(path, &error))?;
    let counter = bar.clone();
    let stream = ReaderStream::with_capacity(file, PIECE).map_ok(move |piece: Bytes| {
        counter.inc(piece.len() as u64);
        Frame::data(piece)
    });
    let body = StreamBody::new(stream).boxed_unsync();
    let sent: Result<UploadedResponse, Failure> =
        context.client.upload(&upload.upload_path, size, body).await;
    bar.finish_and_clear();
    let sent = sent.map_err(|failure| Failure {
        message: format!("{}\n  nothing was kept: the same command sends it again", failure.message),
        ..failure
    })?;
    if sent.sha256 != hash {
        let text = format!(
            "the server received other bytes than the file holds ({} instead of {hash}): was it changed meanwhile? Send it again",
            sent.sha256
        );
        return Err(Failure::new(Exit::Failed, text));
    }
    Ok(upload.id)
}

/// Size and SHA-256 of a file.
fn look_through(path: &Path) -> Result<(u64, String), Failure> {
    let mut file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut hash = digest::Context::new(&digest::SHA256);
    let (mut buffer, mut size) = (vec![0; PIECE], 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hash.update(&buffer[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
    if size == 0 {
        return Err(Failure::usage(format!("{} is empty", path.display())));
    }
    Ok((size, hex::encode(hash.finish())))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read {}: {error}", path.display()))
}

fn bar(size: u64) -> ProgressBar {
    let style = "{bar:40} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
    let bar = ProgressBar::new(size);
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_measured_and_hashed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(look_through(file.path()).unwrap_err().exit, Exit::Usage);
        std::fs::write(file.path(), "abc").unwrap();
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(look_through(file.path()), Ok((3, hash.to_owned())));
        assert_eq!(look_through(Path::new("/nonexistent")).unwrap_err().exit, Exit::Usage);
    }
}

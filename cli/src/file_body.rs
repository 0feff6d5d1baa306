//! The content of a file as the body of a request, so that it is not held in memory as a whole.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::StreamExt;
use http_body::{Frame, SizeHint};
use shoal_core::Failure;
use shoal_core::blobs::BlobStream;
use tokio::sync::mpsc;

/// Pieces that were read and not yet sent.
const PIECES_AHEAD: usize = 4;

/// A body of so many bytes, whose pieces somebody else reads: a body may be looked at by several threads, and a stream not.
pub(crate) struct FileBody {
    pieces: mpsc::Receiver<Result<Bytes, Failure>>,
    left: u64,
}

impl FileBody {
    pub(crate) fn new(mut stream: BlobStream, bytes: u64) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        tokio::spawn(async move {
            while let Some(piece) = stream.next().await {
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        Self { pieces, left: bytes }
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.pieces.poll_recv(cx).map(|piece| {
            let piece = piece?;
            self.left = self.left.saturating_sub(piece.as_ref().map_or(0, |piece| piece.len() as u64));
            Some(piece.map(Frame::data))
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

//! Frames on the socket: see `python/src/shoal/worker/channel.py`.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::limits::ANSWER_BYTES_MAX;

/// Bytes of a header: a kind and four numbers.
const HEADER_BYTES: usize = 1 + 4 * 8;

/// What is sent to a process.
pub(crate) mod request {
    pub(crate) const PROGRAM: u8 = 1;
    pub(crate) const GROUPS: u8 = 2;
    pub(crate) const CALLER: u8 = 3;
    pub(crate) const ROWS: u8 = 4;
}

/// What it answers.
pub(crate) mod reply {
    pub(crate) const LOADED: u8 = 1;
    pub(crate) const REFUSED: u8 = 2;
    pub(crate) const APPLIED: u8 = 3;
    pub(crate) const TOLD: u8 = 4;
}

/// What is sent in one piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) sequence: u64,
    /// How many groups of a message it answers; of a message how many frames of rows follow, and of these how many rows they
    /// have.
    pub(crate) groups: u64,
    pub(crate) first: Vec<u8>,
    pub(crate) second: Vec<u8>,
}

/// Writes a frame.
pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    let Frame { kind, sequence, groups, first, second } = frame;
    let mut header = vec![*kind];
    for number in [*sequence, *groups, first.len() as u64, second.len() as u64] {
        header.extend(number.to_le_bytes());
    }
    to.write_all(&header).await?;
    to.write_all(first).await?;
    to.write_all(second).await
}

/// Reads a frame; `None` where the other side has hung up between two.
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let mut header = [0; HEADER_BYTES];
    match from.read_exact(&mut header).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    };
    let [kind, numbers @ ..] = header;
    let mut numbers = numbers.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    let mut number = || numbers.next().unwrap_or_default();
    let (sequence, groups, first, second) = (number(), number(), number(), number());
    let first = part(from, first).await?;
    Ok(Some(Frame { kind, sequence, groups, first, second: part(from, second).await? }))
}

async fn part(from: &mut (impl AsyncRead + Unpin), bytes: u64) -> io::Result<Vec<u8>> {
    if bytes > ANSWER_BYTES_MAX {
        let why = format!("an answer of {bytes} bytes is larger than {ANSWER_BYTES_MAX}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut part = vec![0; bytes as usize];
    from.read_exact(&mut part).await?;
    Ok(part)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_read_as_they_were_written() {
        let frames = [
            Frame { kind: 3, sequence: u64::MAX, groups: 7, first: vec![1; 70_000], second: vec![2] },
            Frame { kind: 1, ..Frame::default() },
        ];
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        let sent = frames.clone();
        let writing = tokio::spawn(async move {
            for frame in &sent {
                write(&mut theirs, frame).await.unwrap();
            }
        });
        for frame in frames {
            assert_eq!(read(&mut ours).await.unwrap(), Some(frame));
        }
        writing.await.unwrap();
        assert_eq!(read(&mut ours).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_frame_that_nobody_can_hold_is_an_error() {
        let mut header = vec![3];
        header.extend([0, 0, u64::MAX, 0].iter().flat_map(|number: &u64| number.to_le_bytes()));
        assert_eq!(read(&mut header.as_slice()).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
        // One that is cut off.
        assert!(read(&mut [3, 0].as_slice()).await.unwrap().is_none());
    }
}

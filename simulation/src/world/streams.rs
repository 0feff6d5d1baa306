//! Streams between workers and heads: ordered each way, slow, cut, broken.

use super::{World, note};
use crate::message::{Action, HeadInput, HeadKey, ToHead, ToWorker, WorkerInput, WorkerKey};

pub(super) struct Stream {
    pub(super) worker: WorkerKey,
    pub(super) head: HeadKey,
    /// When the last message each way arrives: none overtakes another.
    to_head_ms: u64,
    to_worker_ms: u64,
    /// When each side notices that the stream is broken: what arrives later is lost.
    ends_at_head_ms: u64,
    ends_at_worker_ms: u64,
    /// Whether the worker closed it itself, which a head can tell from a stream that broke.
    pub(super) ended_in_order: bool,
}

impl World {
    /// A worker opens a stream to a head; nobody may be there.
    pub(super) fn open_stream(&mut self, worker: WorkerKey, head: HeadKey) -> u64 {
        self.streams_opened += 1;
        let number = self.streams_opened;
        let stream = Stream {
            worker,
            head,
            to_head_ms: self.now_ms,
            to_worker_ms: self.now_ms,
            ends_at_head_ms: u64::MAX,
            ends_at_worker_ms: u64::MAX,
            ended_in_order: false,
        };
        self.streams.insert(number, stream);
        number
    }

    pub(super) fn send_to_head(&mut self, number: u64, message: ToHead) {
        let delay = self.delay();
        let now_ms = self.now_ms;
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let until_ms = self.cuts.get(&(stream.head.head, stream.worker.worker)).copied().unwrap_or(0);
        let at_ms = (now_ms + delay).max(stream.to_head_ms).max(until_ms);
        stream.to_head_ms = at_ms;
        let head = stream.head;
        self.queue.put(at_ms, Action::Carry(number, Carried::ToHead(head, message)));
    }

    pub(super) fn send_to_worker(&mut self, number: u64, message: ToWorker) {
        let delay = self.delay();
        let now_ms = self.now_ms;
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let until_ms = self.cuts.get(&(stream.head.head, stream.worker.worker)).copied().unwrap_or(0);
        let at_ms = (now_ms + delay).max(stream.to_worker_ms).max(until_ms);
        stream.to_worker_ms = at_ms;
        let worker = stream.worker;
        self.queue.put(at_ms, Action::Carry(number, Carried::ToWorker(worker, message)));
    }

    /// A message arrives, unless its stream is broken by now or a cut holds it up.
    pub(super) fn carry(&mut self, number: u64, carried: Carried) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let until_ms = self.cuts.get(&(stream.head.head, stream.worker.worker)).copied().unwrap_or(0);
        let (ends_ms, last_ms) = match carried {
            Carried::ToHead(..) => (stream.ends_at_head_ms, &mut stream.to_head_ms),
            Carried::ToWorker(..) => (stream.ends_at_worker_ms, &mut stream.to_worker_ms),
        };
        if self.now_ms >= ends_ms {
            return;
        }
        if until_ms > self.now_ms {
            *last_ms = until_ms.max(*last_ms);
            return self.queue.put(until_ms, Action::Carry(number, carried));
        }
        match carried {
            Carried::ToHead(head, message) => self.head_hears(head, HeadInput::FromWorker(number, message)),
            Carried::ToWorker(worker, message) => self.worker_hears(worker, WorkerInput::FromHead(number, message)),
        }
    }

    /// Breaks a stream: each side notices at its own time.
    pub(super) fn break_stream(&mut self, number: u64, at_head_ms: u64, at_worker_ms: u64) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        let (worker, head) = (stream.worker, stream.head);
        if at_head_ms < stream.ends_at_head_ms {
            stream.ends_at_head_ms = at_head_ms;
            self.queue.put(at_head_ms, Action::Head(head, HeadInput::StreamEnded(number)));
        }
        if at_worker_ms < stream.ends_at_worker_ms {
            stream.ends_at_worker_ms = at_worker_ms;
            self.queue.put(at_worker_ms, Action::Worker(worker, WorkerInput::StreamEnded(number)));
        }
    }

    pub(super) fn end_streams_of_head(&mut self, key: HeadKey) {
        let numbers: Vec<u64> =
            self.streams.iter().filter(|(_, stream)| stream.head == key).map(|(number, _)| *number).collect();
        for number in numbers {
            let at_ms = self.now_ms + self.delay() + 1;
            self.break_stream(number, self.now_ms, at_ms);
        }
    }

    pub(super) fn end_streams_of_worker(&mut self, key: WorkerKey) {
        let numbers: Vec<u64> =
            self.streams.iter().filter(|(_, stream)| stream.worker == key).map(|(number, _)| *number).collect();
        for number in numbers {
            let at_ms = self.now_ms + self.delay() + 1;
            self.break_stream(number, at_ms, self.now_ms);
        }
    }

    /// Breaks all streams for which that holds, at both ends now.
    pub(super) fn give_up_streams(&mut self, is_meant: impl Fn(&Stream) -> bool) {
        let numbers: Vec<u64> =
            self.streams.iter().filter(|(_, stream)| is_meant(stream)).map(|(number, _)| *number).collect();
        for number in numbers {
            note!(self, "stream {number} is given up");
            self.break_stream(number, self.now_ms, self.now_ms);
        }
    }

    /// The stream that a worker has open, where it has one.
    pub(super) fn any_stream(&mut self) -> Option<u64> {
        let now_ms = self.now_ms;
        let open: Vec<u64> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.ends_at_head_ms > now_ms && stream.ends_at_worker_ms > now_ms)
            .map(|(number, _)| *number)
            .collect();
        (!open.is_empty()).then(|| open[self.random.index(open.len())])
    }

    /// Forgets streams that are long over.
    pub(super) fn forget_streams(&mut self) {
        let now_ms = self.now_ms;
        self.streams.retain(|_, stream| stream.ends_at_head_ms.max(stream.ends_at_worker_ms) > now_ms);
    }
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) enum Carried {
    ToHead(HeadKey, ToHead),
    ToWorker(WorkerKey, ToWorker),
}

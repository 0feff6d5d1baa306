//! Puts what arrives from several workers into one order, whichever of them is faster.

use std::pin::Pin;
use std::task::Poll;

use arrow::array::RecordBatch;
use futures::stream::{self, Stream, StreamExt};
use shoal_core::Failure;
use shoal_core::partition::BatchStream;

/// A batch, and the place of its partition.
pub(super) type Placed = (usize, RecordBatch);

/// Batches whose places ascend.
pub(super) type PlacedStream = Pin<Box<dyn Stream<Item = Result<Placed, Failure>> + Send>>;

/// The batches of all streams by their places. Of each stream one batch is read ahead, so all are read from at the same
/// time; the first that fails ends the whole.
pub(super) fn in_order(streams: Vec<PlacedStream>) -> BatchStream {
    let mut parts: Vec<(PlacedStream, Option<Placed>)> = streams.into_iter().map(|stream| (stream, None)).collect();
    let batches = stream::poll_fn(move |context| {
        let mut is_waiting = false;
        for index in (0..parts.len()).rev() {
            let (stream, next) = &mut parts[index];
            if next.is_some() {
                continue;
            }
            match stream.poll_next_unpin(context) {
                Poll::Pending => is_waiting = true,
                Poll::Ready(Some(Ok(placed))) => *next = Some(placed),
                Poll::Ready(Some(Err(failure))) => {
                    parts.clear();
                    return Poll::Ready(Some(Err(failure)));
                }
                Poll::Ready(None) => drop(parts.swap_remove(index)),
            }
        }
        if is_waiting {
            return Poll::Pending;
        }
        let nexts = parts.iter_mut().map(|(_, next)| next);
        let first = nexts.min_by_key(|next| next.as_ref().map(|(place, _)| *place));
        Poll::Ready(first.and_then(Option::take).map(|(_, batch)| Ok(batch)))
    });
    Box::pin(batches)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use futures::TryStreamExt;
    use proptest::prelude::*;
    use shoal_core::Reason;

    use super::*;

    fn batch(number: i64) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![number])) as ArrayRef)]).unwrap()
    }

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// A stream that lets others go first now and then.
    fn dawdling(items: Vec<Result<Placed, Failure>>, pauses: Vec<bool>) -> PlacedStream {
        let pauses = stream::iter(pauses).chain(stream::repeat(false));
        let items = stream::iter(items).zip(pauses).then(|(item, pauses)| async move {
            if pauses {
                tokio::task::yield_now().await;
            }
            item
        });
        Box::pin(items)
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_places_whoever_holds_them_and_whoever_is_slow(
            holders in prop::collection::vec(0..4_usize, 0..20),
            batches_of in prop::collection::vec(0..3_i64, 20),
            pauses in prop::collection::vec(prop::collection::vec(any::<bool>(), 0..20), 4),
        ) {
            let mut streams = BTreeMap::<usize, Vec<Result<Placed, Failure>>>::new();
            let mut expected = Vec::new();
            for (place, (holder, batches)) in holders.iter().zip(batches_of).enumerate() {
                for number in (0..batches).map(|number| 10 * place as i64 + number) {
                    streams.entry(*holder).or_default().push(Ok((place, batch(number))));
                    expected.push(number);
                }
            }
            let streams = streams.into_iter().map(|(holder, items)| dawdling(items, pauses[holder].clone()));
            let found: Vec<RecordBatch> = run(in_order(streams.collect()).try_collect()).unwrap();
            let found: Vec<i64> = found.iter().map(|batch| batch["n"].as_primitive::<Int64Type>().value(0)).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_first_failure_ends_all_even_where_others_stand_still() {
        let broken = dawdling(vec![Err(Failure::new(Reason::PartitionLost, "gone"))], vec![true]);
        let mut both = in_order(vec![Box::pin(stream::pending()), broken]);
        assert_eq!(run(both.next()).unwrap().unwrap_err().reason, Reason::PartitionLost);
        assert!(run(both.next()).is_none());
    }
}

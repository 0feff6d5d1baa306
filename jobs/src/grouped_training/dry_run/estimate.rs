//! About what a job takes, told from some of its groups. Pure.

use std::time::Duration;

use super::super::strategy::groups_among;
use super::tried::TriedGroup;

/// Where the keys of neighbours differ at most this many times as often as there are groups, rows of a group lie together.
const RUNS_PER_GROUP_MAX: f64 = 1.1;

/// How many times the rows of the groups that were tried others may have before that is told.
const LARGER: f64 = 1.5;

/// What the sample of an input shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Rows that were read.
    pub(super) rows_read: u64,
    /// Those that the job's condition takes.
    pub(super) rows: u64,
    /// Groups among them.
    pub(super) groups: u64,
    /// How often a row has another key than the one before it, and one.
    pub(super) runs: u64,
    /// Whether it is the whole input.
    pub(super) is_whole: bool,
    pub(super) rows_of_input: u64,
    /// Whether these are counted, not estimated by bytes.
    pub(super) is_counted: bool,
}

/// What a job takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Rows of the input that the job's condition takes.
    pub rows: u64,
    /// Whether the input's rows are counted; else their number is the size of its files over that of a row.
    pub rows_are_counted: bool,
    /// Groups of the input.
    pub groups: u64,
    /// How their number is known.
    pub groups_by: GroupsBy,
    /// How long a group takes: the mean of those after the first, or the first where it is the only one.
    pub group_time: Option<Duration>,
    /// How many groups that is the mean of.
    pub groups_timed: usize,
    /// How long it takes until the first group can begin.
    pub load_time: Duration,
    /// Groups that are trained at the same time.
    pub slots: u32,
    /// How long it takes until all groups are trained, without reading and exchanging rows.
    pub time: Option<Duration>,
}

/// How the number of groups is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupsBy {
    /// All rows were read.
    Count,
    /// Rows of a group lie together: as many more groups as there are more rows.
    Share,
    /// Rows of all groups are mixed: how many groups the sample's rows would hit by chance.
    Chance,
}

pub(super) fn estimate(seen: &Seen, groups: &[TriedGroup], load_time: Duration, slots: u32) -> Estimate {
    let rows = if seen.is_whole {
        seen.rows
    } else {
        (seen.rows_of_input as f64 * seen.rows as f64 / seen.rows_read.max(1) as f64).round() as u64
    };
    let (groups_of_input, groups_by) = groups_of(rows, seen);
    let times: Vec<Duration> = groups.iter().filter_map(|group| group.took).collect();
    // The first one imports and compiles what the others find.
    let typical = if times.len() > 1 { &times[1..] } else { &times[..] };
    let groups_timed = typical.len();
    let group_time =
        u32::try_from(groups_timed).ok().and_then(|count| typical.iter().sum::<Duration>().checked_div(count));
    let rounds = groups_of_input as f64 / f64::from(slots.max(1));
    let time = group_time.and_then(|time| Duration::try_from_secs_f64(time.as_secs_f64() * rounds.max(1.0)).ok());
    Estimate {
        rows,
        rows_are_counted: seen.is_counted,
        groups: groups_of_input,
        groups_by,
        group_time,
        groups_timed,
        load_time,
        slots,
        time: time.map(|time| time.saturating_add(load_time)),
    }
}

/// What is to be said where groups of the input have many more rows than those that were tried.
pub(super) fn larger_groups(estimate: &Estimate, tried: &[TriedGroup]) -> Option<String> {
    let rows = estimate.rows.checked_div(estimate.groups)?;
    let tried_rows = tried.iter().map(|group| group.rows).sum::<u64>().checked_div(tried.len() as u64)?;
    (rows as f64 > tried_rows as f64 * LARGER).then(|| {
        format!(
            "groups of the whole input have about {rows} rows each, and these had {tried_rows}: what takes longer with more \
             rows takes longer than estimated"
        )
    })
}

fn groups_of(rows: u64, seen: &Seen) -> (u64, GroupsBy) {
    if seen.is_whole {
        return (seen.groups, GroupsBy::Count);
    }
    let rows = rows.max(seen.rows);
    if seen.runs as f64 <= seen.groups as f64 * RUNS_PER_GROUP_MAX {
        let groups = seen.groups as f64 * rows as f64 / seen.rows.max(1) as f64;
        return (groups.round() as u64, GroupsBy::Share);
    }
    (groups_among(rows, seen.rows, seen.groups).round() as u64, GroupsBy::Chance)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const WHOLE: Seen =
        Seen { rows_read: 220, rows: 200, groups: 10, runs: 10, is_whole: true, rows_of_input: 220, is_counted: true };

    fn took(milliseconds: Option<u64>) -> TriedGroup {
        let took = milliseconds.map(Duration::from_millis);
        TriedGroup { key: "firm=a".into(), rows: 20, took, failed: None }
    }

    #[test]
    fn the_first_group_does_not_count_unless_it_is_the_only_one() {
        for (times, expected, timed) in [
            (vec![Some(900), Some(10), Some(30)], Some(20), 2),
            (vec![Some(900), None, Some(30)], Some(30), 1),
            (vec![Some(900)], Some(900), 1),
            (vec![None, None], None, 0),
            (vec![], None, 0),
        ] {
            let groups: Vec<TriedGroup> = times.iter().copied().map(took).collect();
            let estimate = estimate(&WHOLE, &groups, Duration::from_secs(1), 2);
            assert_eq!(estimate.group_time, expected.map(Duration::from_millis), "{times:?}");
            assert_eq!(estimate.groups_timed, timed);
            let expected = expected.map(|time| Duration::from_secs(1) + Duration::from_millis(time) * 5);
            assert_eq!(estimate.time, expected, "{times:?}");
        }
    }

    #[test]
    fn groups_that_are_larger_than_those_that_were_tried_are_told() {
        let part =
            Seen { is_whole: false, rows_read: 1_000, rows: 1_000, rows_of_input: 1_000_000, runs: 990, ..WHOLE };
        let groups = [took(Some(1)), took(Some(1))];
        let told = |seen: &Seen| larger_groups(&estimate(seen, &groups, Duration::ZERO, 1), &groups);
        assert!(told(&part).is_some_and(|note| {
            note.starts_with("groups of the whole input have about 100000 rows each, and these had 20:")
        }));
        assert_eq!(told(&WHOLE), None);
    }

    #[test]
    fn slots_that_have_no_group_do_not_help() {
        let groups = [took(Some(1)), took(Some(100))];
        let estimate = estimate(&WHOLE, &groups, Duration::ZERO, 64);
        assert_eq!(estimate.time, Some(Duration::from_millis(100)));
    }

    #[test]
    fn groups_are_counted_scaled_or_told_by_chance() {
        let part = Seen { is_whole: false, rows_read: 1_000, rows: 500, rows_of_input: 1_000_000, ..WHOLE };
        let lies_together = Seen { groups: 50, runs: 52, ..part };
        let mixed = Seen { groups: 50, runs: 490, ..part };
        let all_different = Seen { groups: 500, runs: 500, ..part };
        for (seen, rows, groups, by) in [
            (WHOLE, 200, 10, GroupsBy::Count),
            (lies_together, 500_000, 50_000, GroupsBy::Share),
            (mixed, 500_000, 50, GroupsBy::Chance),
            (all_different, 500_000, 500_000, GroupsBy::Share),
        ] {
            let estimate = estimate(&seen, &[], Duration::ZERO, 1);
            assert_eq!((estimate.rows, estimate.groups, estimate.groups_by), (rows, groups, by), "{seen:?}");
        }
    }
}

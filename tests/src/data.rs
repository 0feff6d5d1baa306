//! Generated tables: the same bytes on every machine.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
pub use shoal_testkit::Numbers;

/// Groups of [`skewed`].
pub const SKEWED_GROUPS: usize = 20_000;

/// Columns of [`skewed`] that explain.
pub const SKEWED_FEATURES: [&str; 2] = ["price", "promo"];

/// What is in a generated table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skewed {
    /// Rows.
    pub rows: u64,
    /// Groups of a single row.
    pub single: usize,
    /// Groups without a single target.
    pub no_target: usize,
    /// Groups in which a feature is constant, or a multiple of the other.
    pub deficient: usize,
}

/// About normal around zero, with a standard deviation of one: the sum of twelve even ones (Irwin and Hall).
fn noise(numbers: &mut Numbers) -> f64 {
    (0..12).map(|_| numbers.between(-0.5, 0.5)).sum()
}

#[derive(Clone, Copy)]
struct Row {
    store: Option<i64>,
    price: Option<f64>,
    promo: Option<f64>,
    sales: Option<f64>,
}

/// Writes a folder of Parquet files: `store` is the key, `price` and `promo` explain `sales`.
///
/// Sizes of groups follow a power of their rank; some have a single row, no target, a constant feature or one that is a
/// multiple of the other; one in 200 rows has a null, NaN or infinite value; one key is null. Every group's rows lie in
/// all files, and the first file has its keys as `Int32`, the others as `Int64`.
pub fn skewed(folder: &Path) -> Skewed {
    let mut numbers = Numbers::new(1);
    let mut rows = Vec::new();
    let mut made = Skewed::default();
    for group in 0..SKEWED_GROUPS {
        add_group(group, &mut numbers, &mut rows, &mut made);
    }
    made.rows = rows.len() as u64;
    for index in (1..rows.len()).rev() {
        rows.swap(index, numbers.below(index as u64 + 1) as usize);
    }
    std::fs::create_dir_all(folder).unwrap();
    let quarter = rows.len().div_ceil(4);
    for (number, part) in rows.chunks(quarter).enumerate() {
        write_parquet(&folder.join(format!("part-{number}.parquet")), part, number == 0);
    }
    made
}

fn add_group(group: usize, numbers: &mut Numbers, rows: &mut Vec<Row>, made: &mut Skewed) {
    let store = (group != 7).then_some(group as i64 - 100);
    // A long tail of small groups behind a few large ones.
    let mut size = 8 + (7_800.0 / ((group + 1) as f64).powf(0.9)) as usize;
    let single = group % 97 == 5;
    let no_target = group % 997 == 11 && !single;
    let constant = group % 101 == 3 && !single && !no_target;
    let multiple = group % 103 == 4 && !single && !no_target && !constant;
    if single {
        size = 1;
    }
    made.single += usize::from(single);
    made.no_target += usize::from(no_target);
    made.deficient += usize::from(constant || multiple);
    let (base, slope, effect) = (numbers.between(-20.0, 20.0), numbers.between(1.0, 4.0), numbers.between(-3.0, -1.0));
    for _ in 0..size {
        let price = numbers.between(1.0, 9.0);
        let promo = if constant {
            2.0
        } else if multiple {
            0.5 * price
        } else {
            numbers.between(0.0, 6.0)
        };
        let sales = base + slope * price + effect * promo + noise(numbers);
        let mut row = Row { store, price: Some(price), promo: Some(promo), sales: Some(sales) };
        if no_target {
            row.sales = None;
        } else if !single && !constant && !multiple && numbers.below(200) == 0 {
            spoil(&mut row, numbers.below(4));
        }
        rows.push(row);
    }
}

fn spoil(row: &mut Row, how: u64) {
    match how {
        0 => row.price = None,
        1 => row.promo = Some(f64::NAN),
        2 => row.sales = Some(f64::INFINITY),
        _ => row.sales = None,
    }
}

fn write_parquet(file: &Path, rows: &[Row], narrow: bool) {
    let keys: ArrayRef = if narrow {
        let narrowed = rows.iter().map(|row| row.store.map(|store| i32::try_from(store).unwrap()));
        Arc::new(narrowed.collect::<Int32Array>())
    } else {
        Arc::new(rows.iter().map(|row| row.store).collect::<Int64Array>())
    };
    let floats = |of: fn(&Row) -> Option<f64>| Arc::new(rows.iter().map(of).collect::<Float64Array>()) as ArrayRef;
    let columns = [
        ("store", keys),
        ("price", floats(|row| row.price)),
        ("promo", floats(|row| row.promo)),
        ("sales", floats(|row| row.sales)),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Writes a folder of CSV files of about these sizes in bytes: `shop` is the key, with so many groups in each file, `a`
/// and `b` explain `y`, and `note` makes lines long.
pub fn padded_csv(folder: &Path, sizes: &[usize], groups: u64) -> Vec<PathBuf> {
    const NOTE: usize = 200;
    let mut numbers = Numbers::new(2);
    let note = "x".repeat(NOTE);
    std::fs::create_dir_all(folder).unwrap();
    let mut files = Vec::new();
    for (number, size) in sizes.iter().enumerate() {
        let path = folder.join(format!("part-{number}.csv"));
        let mut file = BufWriter::new(File::create(&path).unwrap());
        let mut written = file.write(b"shop,a,b,y,note\n").unwrap();
        while written < *size {
            let (shop, a, b) = (numbers.below(groups), numbers.between(0.0, 9.0), numbers.between(-5.0, 5.0));
            let y = 3.0 + shop as f64 + 2.0 * a - b + noise(&mut numbers);
            let line = format!("s{shop},{a},{b},{y},{note}\n");
            file.write_all(line.as_bytes()).unwrap();
            written += line.len();
        }
        file.flush().unwrap();
        files.push(path);
    }
    files
}

/// A CSV file with one row for each of so many groups: `name` is their key, long and hard to compress; `x` explains `y`.
pub fn wide_keys(groups: usize, key_bytes: usize) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut numbers = Numbers::new(3);
    let mut text = b"name,x,y\n".to_vec();
    for group in 0..groups {
        text.extend((0..key_bytes).map(|_| LETTERS[numbers.below(64) as usize]));
        text.extend(format!(",{group},{}\n", 2 * group).bytes());
    }
    text
}

/// Writes a Parquet file with the columns of [`skewed`] whose footer is whole, while no page of it can be read.
pub fn damaged_parquet(file: &Path) {
    let mut numbers = Numbers::new(3);
    let row = |store: i64, numbers: &mut Numbers| Row {
        store: Some(store),
        price: Some(numbers.between(1.0, 9.0)),
        promo: Some(numbers.between(0.0, 6.0)),
        sales: Some(numbers.between(0.0, 100.0)),
    };
    let rows: Vec<Row> = (0..1_000).map(|index| row(index % 10, &mut numbers)).collect();
    write_parquet(file, &rows, false);
    let mut bytes = std::fs::read(file).unwrap();
    // The footer's length stands before the last four bytes; pages begin after the first four.
    let length: [u8; 4] = bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap();
    let pages_end = bytes.len() - 8 - u32::from_le_bytes(length) as usize;
    bytes[4..pages_end].fill(0xff);
    std::fs::write(file, bytes).unwrap();
}

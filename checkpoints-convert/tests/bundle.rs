//! The bundle writer against the bundle reader: what is written is read back the same.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use checkpoints_convert::bundle::{BundleWriter, Error, shard_file_name};
use checkpoints_convert::tensor::{DType, Index, ShardReader, Variable};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Tensor {
    dtype: DType,
    shape: Vec<u64>,
    shard: u32,
    bytes: Vec<u8>,
}

fn tensor() -> impl Strategy<Value = Tensor> {
    let dtype = prop::sample::select(vec![
        DType::F32,
        DType::F16,
        DType::BF16,
        DType::I32,
        DType::I64,
    ]);
    (dtype, vec(0u64..6, 0..4), 0u32..3).prop_flat_map(|(dtype, shape, shard)| {
        let size = shape.iter().product::<u64>() * dtype.width().unwrap();
        vec(any::<u8>(), size as usize).prop_map(move |bytes| Tensor {
            dtype,
            shape: shape.clone(),
            shard,
            bytes,
        })
    })
}

fn write(folder: &Path, shards: u32, tensors: &BTreeMap<String, Tensor>) {
    let mut bundle = BundleWriter::create(folder, "m", shards).unwrap();
    // From the last name to the first: the index is sorted whatever the order of writing.
    for (name, t) in tensors.iter().rev() {
        bundle
            .add(t.shard, name, t.dtype, &t.shape, &t.bytes)
            .unwrap();
    }
    bundle.finish().unwrap();
}

fn read(folder: &Path) -> (Index, Vec<Vec<u8>>) {
    let index = Index::parse("m.index", &fs::read(folder.join("m.index")).unwrap()).unwrap();
    let files: Vec<Vec<u8>> = (0..index.shards)
        .map(|shard| fs::read(folder.join(shard_file_name("m", shard, index.shards))).unwrap())
        .collect();
    let places: Vec<(String, u64)> = files
        .iter()
        .map(|bytes| ("data".into(), bytes.len() as u64))
        .collect();
    index.check_places(&places).unwrap();
    for (shard, bytes) in (0..).zip(&files) {
        let mut stream = bytes.as_slice();
        let mut ignore = |_| {};
        let mut reader = ShardReader::new("data", &mut stream, bytes.len() as u64, &mut ignore);
        for number in index.reading_order() {
            let variable: &Variable = &index.variables[number];
            if variable.shard == shard {
                assert!(reader.check(variable).unwrap().checked);
            }
        }
        reader.finish().unwrap();
    }
    (index, files)
}

proptest! {
    // Each case waits for the disk; the values vary far less than the index does.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn writing_and_reading_a_bundle_is_identity(
        tensors in btree_map("\\PC{1,40}", tensor(), 0..40)
    ) {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 3, &tensors);
        let (index, files) = read(folder.path());
        prop_assert_eq!(index.shards, 3);
        prop_assert_eq!(index.variables.len(), tensors.len());
        for (variable, (name, tensor)) in index.variables.iter().zip(&tensors) {
            prop_assert_eq!(&variable.name, name);
            prop_assert_eq!(variable.dtype, tensor.dtype);
            prop_assert_eq!(&variable.shape, &tensor.shape);
            prop_assert_eq!(variable.shard, tensor.shard);
            let place = variable.offset as usize..(variable.offset + variable.size) as usize;
            prop_assert_eq!(&files[variable.shard as usize][place], tensor.bytes.as_slice());
        }
    }
}

#[test]
fn an_index_of_many_blocks_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let tensors: BTreeMap<String, Tensor> = (0..20_000)
        .map(|n| {
            let name = format!("scope_{n:05}/a_rather_long_name_that_shares_little/{n}/kernel");
            (
                name,
                Tensor {
                    dtype: DType::I32,
                    shape: vec![1],
                    shard: 0,
                    bytes: vec![n as u8; 4],
                },
            )
        })
        .collect();
    write(folder.path(), 1, &tensors);
    // Four blocks of TensorFlow's 256 kB, so that the index block has several entries.
    let size = fs::metadata(folder.path().join("m.index")).unwrap().len();
    assert!(size > 3 * 256 * 1024, "{size}");
    let (index, _) = read(folder.path());
    assert!(index.variables.iter().map(|v| &v.name).eq(tensors.keys()));
}

#[test]
fn the_writer_refuses_what_no_reader_would_accept() {
    let folder = tempfile::tempdir().unwrap();
    let mut bundle = BundleWriter::create(folder.path(), "m", 1).unwrap();
    bundle.add(0, "a", DType::F32, &[2], &[0; 8]).unwrap();
    let again = bundle.add(0, "a", DType::F32, &[2], &[0; 8]);
    assert!(matches!(again, Err(Error::DuplicateName { .. })));
    let short = bundle.add(0, "b", DType::F32, &[2], &[0; 7]);
    assert!(matches!(
        short,
        Err(Error::GivenSize {
            expected: 8,
            found: 7,
            ..
        })
    ));
    let elsewhere = bundle.add(1, "c", DType::F32, &[], &[0; 4]);
    assert!(matches!(
        elsewhere,
        Err(Error::ShardOutOfRange { shard: 1, .. })
    ));
    drop(bundle);
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing half-written stays"
    );
}

//! Malicious indexes: valid tables with correct checksums and false contents, written with this
//! crate's table writer and rejected by its reader.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message;

use super::Error;
use super::proto::{BundleEntry, BundleHeader, Dim, Shape, Slice, Version};
use super::table_writer::TableWriter;
use crate::tensor::{self, DType, Index, mask_crc};

fn header() -> BundleHeader {
    BundleHeader {
        num_shards: 1,
        endianness: 0,
        version: Some(Version {
            producer: 1,
            min_consumer: 0,
        }),
    }
}

fn entry(offset: i64, values: i64) -> BundleEntry {
    BundleEntry {
        dtype: DType::F32.to_tensorflow(),
        shape: Some(Shape {
            dim: vec![Dim { size: values }],
            unknown_rank: false,
        }),
        shard_id: 0,
        offset,
        size: values.wrapping_mul(4),
        crc32c: 0,
        slices: Vec::new(),
    }
}

fn table(header: &BundleHeader, entries: &[(&[u8], BundleEntry)]) -> Vec<u8> {
    let mut table = TableWriter::default();
    table.add(b"", &header.encode_to_vec());
    for (key, entry) in entries {
        table.add(key, &entry.encode_to_vec());
    }
    table.finish()
}

fn refused(bytes: &[u8]) -> Error {
    Index::parse("m.index", bytes).unwrap_err()
}

#[test]
fn a_well_formed_index_is_read() {
    let bytes = table(&header(), &[(b"a", entry(0, 2)), (b"b", entry(8, 3))]);
    let index = Index::parse("m.index", &bytes).unwrap();
    assert_eq!(index.variables[1].shape, [3]);
    index.check_places(&[("data".into(), 20)]).unwrap();
}

#[test]
fn impossible_numbers_of_data_files_are_refused() {
    for num_shards in [0, -1, 4097, i32::MAX] {
        let bytes = table(
            &BundleHeader {
                num_shards,
                ..header()
            },
            &[],
        );
        assert!(matches!(refused(&bytes), Error::ShardCount { found, .. } if found == num_shards));
    }
    for shard_id in [1, -1] {
        let bytes = table(
            &header(),
            &[(
                b"a",
                BundleEntry {
                    shard_id,
                    ..entry(0, 1)
                },
            )],
        );
        assert!(matches!(
            refused(&bytes),
            Error::ShardOutOfRange { shards: 1, .. }
        ));
    }
}

#[test]
fn formats_that_are_not_read_are_said() {
    let big = BundleHeader {
        endianness: 1,
        ..header()
    };
    assert!(matches!(
        refused(&table(&big, &[])),
        Error::BigEndian { .. }
    ));
    let version = Some(Version {
        producer: 9,
        min_consumer: 2,
    });
    let later = BundleHeader {
        version,
        ..header()
    };
    assert!(matches!(
        refused(&table(&later, &[])),
        Error::Version {
            min_consumer: 2,
            ..
        }
    ));
    let sliced = BundleEntry {
        slices: vec![Slice {}],
        ..entry(0, 1)
    };
    let error = refused(&table(&header(), &[(b"part", sliced)]));
    assert!(matches!(error, Error::Sliced { name, .. } if name == "part"));
}

#[test]
fn an_index_without_a_header_is_refused() {
    let mut headless = TableWriter::default();
    headless.add(b"a", &entry(0, 1).encode_to_vec());
    assert!(matches!(
        refused(&headless.finish()),
        Error::NoHeader { .. }
    ));
    assert!(matches!(
        refused(&TableWriter::default().finish()),
        Error::NoHeader { .. }
    ));
}

#[test]
fn huge_claims_are_refused_before_anything_is_reserved() {
    // With 2^62 values the byte count overflows; with two such sizes the value count does.
    let bytes = table(&header(), &[(b"a", entry(0, 1 << 62))]);
    assert!(matches!(refused(&bytes), Error::Shape { .. }));
    let dim = vec![Dim { size: 1 << 40 }, Dim { size: 1 << 40 }];
    let shape = Some(Shape {
        dim,
        unknown_rank: false,
    });
    let bytes = table(
        &header(),
        &[(
            b"a",
            BundleEntry {
                shape,
                ..entry(0, 0)
            },
        )],
    );
    assert!(matches!(refused(&bytes), Error::Shape { .. }));
    let bytes = table(&header(), &[(b"a", entry(0, -3))]);
    assert!(matches!(refused(&bytes), Error::Shape { .. }));
    let dim = vec![Dim { size: 1 }; 9];
    let shape = Some(Shape {
        dim,
        unknown_rank: false,
    });
    let bytes = table(
        &header(),
        &[(
            b"a",
            BundleEntry {
                shape,
                ..entry(0, 1)
            },
        )],
    );
    assert!(matches!(refused(&bytes), Error::Shape { .. }));
}

#[test]
fn a_size_that_the_shape_contradicts_is_refused() {
    let bytes = table(
        &header(),
        &[(
            b"a",
            BundleEntry {
                size: 12,
                ..entry(0, 2)
            },
        )],
    );
    assert!(matches!(
        refused(&bytes),
        Error::Size {
            expected: 8,
            found: 12,
            ..
        }
    ));
}

#[test]
fn places_outside_the_data_file_are_refused() {
    for (offset, size) in [(-4, 4), (i64::MAX, 4), (0, -4)] {
        let bytes = table(
            &header(),
            &[(
                b"a",
                BundleEntry {
                    size,
                    ..entry(offset, 1)
                },
            )],
        );
        let error = refused(&bytes);
        let outside = matches!(error, Error::Tensor(tensor::Error::RangeOutside { .. }));
        assert!(outside, "{error}");
    }
}

#[test]
fn a_data_file_that_ends_too_early_is_refused() {
    use tensor::Error;
    let bytes = table(&header(), &[(b"a", entry(0, 2)), (b"b", entry(8, 3))]);
    let index = Index::parse("m.index", &bytes).unwrap();
    let error = index.check_places(&[("data".into(), 19)]).unwrap_err();
    assert!(matches!(error, Error::RangeOutside { name, length: 19, .. } if name == "b"));
}

#[test]
fn variables_that_share_bytes_are_refused() {
    use tensor::Error;
    for (first, second) in [((0, 4), (8, 4)), ((4, 1), (0, 4)), ((0, 2), (0, 2))] {
        let entries: [(&[u8], _); 2] = [
            (b"a", entry(first.0, first.1)),
            (b"b", entry(second.0, second.1)),
        ];
        let index = Index::parse("m.index", &table(&header(), &entries)).unwrap();
        let error = index.check_places(&[("data".into(), 1000)]).unwrap_err();
        assert!(matches!(error, Error::Overlap { .. }), "{error}");
    }
}

#[test]
fn keys_that_are_no_names_are_refused() {
    let bytes = table(&header(), &[(b"a\xff", entry(0, 1))]);
    assert!(matches!(refused(&bytes), Error::KeyNotUtf8 { key, .. } if key == r"a\xff"));
    let long = [b'x'; 5000];
    let bytes = table(&header(), &[(&long, entry(0, 1))]);
    assert!(matches!(refused(&bytes), Error::BlockMalformed { .. }));
    for keys in [[b"b", b"a"], [b"a", b"a"]] {
        let bytes = table(&header(), &[(keys[0], entry(0, 1)), (keys[1], entry(4, 1))]);
        assert!(matches!(refused(&bytes), Error::KeyOrder { .. }));
    }
}

#[test]
fn a_block_that_is_named_again_is_refused_unread() {
    let mut table = TableWriter::default();
    table.add(b"", &header().encode_to_vec());
    table.repeat_block(20_000);
    let error = refused(&table.finish());
    assert!(
        matches!(error, Error::BlockOrder { offset: 0, .. }),
        "{error}"
    );
}

#[test]
fn a_table_of_many_blocks_in_their_order_is_read() {
    let mut table = TableWriter::default();
    table.add(b"", &header().encode_to_vec());
    table.repeat_block(1);
    for number in 0..20i64 {
        let key = format!("v{number:03}");
        table.add(key.as_bytes(), &entry(4 * number, 1).encode_to_vec());
        table.repeat_block(1);
    }
    let index = Index::parse("m.index", &table.finish()).unwrap();
    assert_eq!(index.variables.len(), 20);
}

#[test]
fn what_grows_when_it_is_read_has_an_end() {
    // In the file, 4 kB keys that share all but their last bytes take a few bytes each.
    let mut table = TableWriter::default();
    table.add(b"", &header().encode_to_vec());
    for number in 0..6000 {
        let key = format!("{}{number:05}", "x".repeat(4000));
        table.add(key.as_bytes(), &entry(0, 0).encode_to_vec());
    }
    assert!(matches!(
        refused(&table.finish()),
        Error::NamesTooLong { .. }
    ));
    // Each size of a shape takes two bytes.
    let shape = Some(Shape {
        dim: vec![Dim { size: 0 }; 1_000_000],
        unknown_rank: false,
    });
    let wide = BundleEntry {
        shape,
        ..entry(0, 0)
    };
    let error = refused(&table_of(b"a", wide));
    assert!(matches!(error, Error::BlockMalformed { .. }), "{error}");
}

fn table_of(key: &[u8], entry: BundleEntry) -> Vec<u8> {
    table(&header(), &[(key, entry)])
}

#[test]
fn a_value_that_is_no_message_is_refused() {
    let mut broken = TableWriter::default();
    broken.add(b"", &header().encode_to_vec());
    broken.add(b"a", b"\xff\xff\xff");
    assert!(matches!(refused(&broken.finish()), Error::Entry { key, .. } if key == "a"));
}

#[test]
fn a_compressed_block_is_refused_by_its_kind() {
    // The first block ends where the 13 bytes of the empty meta-index block, the index block and
    // the footer begin; its checksum is recomputed for the changed compression type.
    let mut bytes = table(&header(), &[(b"a", entry(0, 1))]);
    let end = bytes
        .windows(8)
        .position(|w| w == [0, 0, 0, 0, 1, 0, 0, 0])
        .unwrap()
        + 8;
    bytes[end] = 1;
    let crc = mask_crc(crc32c::crc32c(&bytes[..=end]));
    bytes[end + 1..end + 5].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(
        refused(&bytes),
        Error::BlockCompressed { kind: 1, .. }
    ));
}

fn any_entry() -> impl Strategy<Value = Vec<u8>> {
    let numbers = (
        any::<i32>(),
        any::<i32>(),
        any::<i64>(),
        any::<i64>(),
        vec(any::<i64>(), 0..4),
    );
    let arbitrary = numbers.prop_map(|(dtype, shard_id, offset, size, dims)| {
        let dim = dims.into_iter().map(|size| Dim { size }).collect();
        let shape = Some(Shape {
            dim,
            unknown_rank: false,
        });
        let (crc32c, slices) = (0, Vec::new());
        BundleEntry {
            dtype,
            shape,
            shard_id,
            offset,
            size,
            crc32c,
            slices,
        }
        .encode_to_vec()
    });
    let plausible =
        (0i64..100, 0i64..20).prop_map(|(at, values)| entry(at, values).encode_to_vec());
    prop_oneof![1 => arbitrary, 1 => vec(any::<u8>(), 0..30), 6 => plausible]
}

proptest! {
    #[test]
    fn whatever_is_accepted_lies_apart_inside_the_data_file(
        entries in btree_map(vec(any::<u8>(), 1..5), any_entry(), 0..4)
    ) {
        let mut table = TableWriter::default();
        table.add(b"", &header().encode_to_vec());
        for (key, value) in &entries {
            table.add(key, value);
        }
        if let Ok(index) = Index::parse("m.index", &table.finish())
            && index.check_places(&[("data".into(), 100)]).is_ok()
        {
            prop_assert_eq!(index.variables.len(), entries.len());
            let mut taken = [false; 100];
            for variable in &index.variables {
                for byte in variable.offset..variable.offset + variable.size {
                    prop_assert!(!std::mem::replace(&mut taken[byte as usize], true));
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(mut bytes in vec(any::<u8>(), 0..200)) {
        bytes.extend([0u8; 40]);
        bytes.extend(0xdb47_7524_8b80_fb57u64.to_le_bytes());
        prop_assert!(Index::parse("m.index", &bytes).is_err());
    }
}

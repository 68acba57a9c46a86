use std::fs;

use burn_pack::{Bytes, DType, Reader, Writer};

use super::*;

/// Returns two tensors of odd sizes, so that there are gaps, and one without values.
fn tensors(first: f32) -> Vec<Tensor> {
    let tensor = |name: &str, values: Vec<f32>| {
        let shape = vec![values.len()];
        Tensor::new(
            name.into(),
            DType::F32,
            shape,
            Some(7),
            Bytes::from_elems(values),
        )
    };
    // Not sorted by name.
    vec![
        tensor("z", vec![first, 2.0, 3.0]),
        tensor("none", vec![]),
        tensor("a", (0..70).map(|i| i as f32).collect()),
    ]
}

/// Opens the file and reads every tensor.
fn read(path: &std::path::Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let pack = open(path).map_err(|error| error.to_string())?;
    let mut read = BTreeMap::new();
    for tensor in pack.tensors {
        let name = tensor.name.clone();
        let bytes = tensor.into_bytes().map_err(|error| error.to_string())?;
        read.insert(name, bytes.to_vec());
    }
    Ok(read)
}

#[test]
fn the_sum_is_that_of_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bpk");
    let mut of = tensors(1.0);
    for _ in 0..3 {
        // Each of them is last once, including the empty one.
        of.rotate_left(1);
        let again = of.iter().map(|tensor| {
            let bytes = tensor.to_bytes().unwrap();
            Tensor::new(
                tensor.name.clone(),
                tensor.dtype,
                tensor.shape.clone(),
                None,
                bytes,
            )
        });
        let sum = write(again.collect(), &[("producer", "test")], &path).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(sum, (bytes.len() as u64, crc32c::crc32c(&bytes)));
    }
    let sum = write(Vec::new(), &[], &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(sum, (bytes.len() as u64, crc32c::crc32c(&bytes)));
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bpk");
    write(tensors(1.0), &[("producer", "test")], &path).unwrap();
    let values = read(&path).unwrap();
    assert_eq!(values["z"], [1f32, 2.0, 3.0].map(f32::to_le_bytes).concat());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let whole = fs::read(&path).unwrap();
    let other = folder.path().join("other.bpk");
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&other, &bytes).unwrap();
        assert!(read(&other).is_err(), "bit {bit} of {}", whole.len() * 8);
    }
    for length in 0..whole.len() {
        fs::write(&other, &whole[..length]).unwrap();
        assert!(read(&other).is_err(), "cut to {length} of {}", whole.len());
    }
    fs::write(&other, [&whole[..], b"\0"].concat()).unwrap();
    assert!(read(&other).is_err());
}

#[test]
fn damage_is_told_with_the_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bpk");
    write(tensors(1.0), &[], &path).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.windows(4).position(|four| four == 2f32.to_le_bytes());
    bytes[place.unwrap()] ^= 0x10;
    fs::write(&path, &bytes).unwrap();
    let error = read(&path).unwrap_err();
    assert!(
        error.contains("tensor z is damaged: its checksum is"),
        "{error}"
    );
}

#[test]
fn burns_own_reader_takes_the_file_and_a_file_of_burns_own_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours.bpk", "theirs.bpk"].map(|name| folder.path().join(name));
    write(tensors(1.0), &[], &ours).unwrap();
    Writer::new(tensors(1.0)).write_to_file(&theirs).unwrap();
    let found = Reader::from_file_exact(&ours)
        .unwrap()
        .into_tensors()
        .unwrap();
    let names: Vec<&str> = found.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["a", "none", "z"]);
    assert_eq!(found[0].param_id, Some(7));
    assert!(open(&theirs).unwrap().checksums.is_none());
    assert_eq!(read(&ours).unwrap(), read(&theirs).unwrap());
}

#[test]
fn the_identity_is_that_of_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let of = |tensors: Vec<Tensor>, metadata: &[(&str, &str)]| {
        let path = folder.path().join("model.bpk");
        write(tensors, metadata, &path).unwrap();
        open(&path).unwrap().identity().unwrap()
    };
    let first = of(tensors(1.0), &[]);
    let mut turned = tensors(1.0);
    turned.reverse();
    assert_eq!(of(turned, &[("producer", "another")]), first);
    assert_ne!(of(tensors(1.5), &[]), first);
    let mut renamed = tensors(1.0);
    renamed[0].name = "y".into();
    assert_ne!(of(renamed, &[]), first);
    let mut reshaped = tensors(1.0);
    reshaped[2].shape = vec![7, 10].into();
    assert_ne!(of(reshaped, &[]), first);
}

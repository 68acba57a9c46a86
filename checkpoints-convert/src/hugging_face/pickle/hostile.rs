//! Valid and malicious pickles: whatever a state dict uses is read, and anything else is rejected,
//! within bounded memory.

use super::Pickle;
use super::machine::{MAX_BYTES, MAX_OBJECTS};
use super::object::Object;
use crate::hugging_face::Error;

fn read(bytes: &[u8]) -> Result<Pickle, Error> {
    Pickle::read("p", &mut &*bytes)
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn numbers_and_texts_are_read() {
    let cases: [(&[u8], Object); 7] = [
        (b"\x80\x02K\xc8.", Object::Int(200)),
        (b"M\x10\x27.", Object::Int(10_000)),
        (b"J\xff\xff\xff\xff.", Object::Int(-1)),
        // The output of Python's pickle.dumps(0x1950a86a20f9469cfc6c, 2).
        (
            b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
            Object::Int(0x1950_a86a_20f9_469c_fc6c),
        ),
        (b"\x8a\x01\xff.", Object::Int(-1)),
        (b"X\x03\x00\x00\x00\xc3\xa9a.", Object::Text("éa".into())),
        (b"G\x3f\xf8\x00\x00\x00\x00\x00\x00.", Object::Float(1.5)),
    ];
    for (bytes, expected) in cases {
        let pickle = read(bytes).unwrap();
        assert_eq!(pickle.root(), &expected);
        assert_eq!(pickle.length, bytes.len() as u64);
    }
}

#[test]
fn a_dictionary_has_its_items_by_number() {
    // pickle.dumps({"a": 1, "b": (True, None)}, 2)
    let pickle =
        read(b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bq\x02\x88N\x86q\x03u.")
            .unwrap();
    let Object::Dict(items) = pickle.root() else {
        panic!("{:?}", pickle.root())
    };
    assert_eq!(items.len(), 2);
    assert_eq!(pickle.object(items[0].1), &Object::Int(1));
    let Object::Tuple(pair) = pickle.object(items[1].1) else {
        panic!("no tuple")
    };
    assert_eq!(pickle.object(pair[0]), &Object::Bool(true));
    assert_eq!(pickle.object(pair[1]), &Object::None);
}

#[test]
fn a_callable_that_is_not_known_is_refused_by_name() {
    for (bytes, name) in [
        (&b"cos\nsystem\n(S'true'\ntR."[..], "os.system"),
        (b"\x80\x02c__builtin__\neval\nq\x00", "__builtin__.eval"),
        (b"ctorch\nload\n", "torch.load"),
        (
            b"ctorch._utils\n_rebuild_qtensor\n",
            "torch._utils._rebuild_qtensor",
        ),
    ] {
        let error = refusal(bytes);
        assert!(error.contains(&format!("asks for {name:?}")), "{error}");
    }
}

#[test]
fn what_a_state_dict_has_no_use_for_is_refused() {
    let cases: [(&[u8], &str); 12] = [
        (b"\x80\x04\x95", "protocol 4"),
        (b"i", "opcode 0x69"),
        (b"\x81", "opcode 0x81"),
        (b"\x93", "opcode 0x93"),
        (b"N", "ends here"),
        (b".", "more from the stack than there is"),
        (b"(t(.", "more from the stack than there is"),
        (b"t", "a mark that was not set"),
        (b"Na", "more from the stack than there is"),
        (b"NNs", "more from the stack than there is"),
        (b"h\x00", "memo 0"),
        (b"NN\x86NR", "calls what is no callable"),
    ];
    for (bytes, expected) in cases {
        let error = refusal(bytes);
        assert!(error.contains(expected), "{bytes:?}: {error}");
    }
    for (bytes, expected) in [
        (&b"NNa"[..], "appends to what is no list"),
        (b"]NNs", "sets items of what is no dictionary"),
        (b"}(Nu", "a key without a value"),
        (b"NNb", "gives attributes"),
        (b"ccollections\nOrderedDict\nNR", "with what is no tuple"),
        (b"ctorch\nFloatStorage\n)R", "calls Storage"),
        (b"\x8a\x11", "a number of 17 bytes"),
        (b"X\x01\x00\x00\x00\xff", "not UTF-8"),
    ] {
        let error = refusal(bytes);
        assert!(error.contains(expected), "{bytes:?}: {error}");
    }
}

#[test]
fn what_is_only_claimed_takes_no_memory() {
    let error = refusal(b"X\xff\xff\xff\xffabc");
    assert!(
        error.contains("4294967295 bytes reaches past the end"),
        "{error}"
    );
    let many = vec![b'N'; MAX_OBJECTS + 1];
    assert!(refusal(&many).contains("objects"));
    let mut again = b"Nq\x00".to_vec();
    again.extend(b"h\x00".repeat(MAX_OBJECTS));
    assert!(refusal(&again).contains("a stack without an end"));
    let marks = vec![b'('; MAX_BYTES as usize + 1];
    assert!(refusal(&marks).contains("bytes that are read"));
}

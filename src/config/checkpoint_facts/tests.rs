//! Facts of a checkpoint combined with given values.

use std::path::Path;

use super::*;
use crate::config::Draft;

/// Returns a small model's record with a SQuAD head: joint prediction, classifier, start logits.
fn facts(head: Option<[bool; 3]>) -> CheckpointFacts {
    let heads = match head {
        Some([joint, classifier, start]) => json!({"squad": {
            "joint_prediction": joint, "answerable_classifier": classifier,
            "answerable_uses_start_logits": start,
        }}),
        None => json!({}),
    };
    let record = json!({"model": {
        "vocab_size": 8, "embedding_size": 128, "hidden_size": 256, "num_hidden_layers": 12,
        "num_attention_heads": 4, "intermediate_size": 1024, "max_position_embeddings": 512,
        "type_vocab_size": 2,
    }, "heads": heads});
    CheckpointFacts {
        file: "m/config.json".into(),
        record: serde_json::from_value(record).unwrap(),
        states_case: true,
        case_files: vec!["m/tokenizer_config.json".into(), "m/tokenizer.json".into()],
        vocabulary: None,
    }
}

/// Returns the configuration of a run that trains or only evaluates, or its error.
fn finish(
    facts: &CheckpointFacts,
    mut given: Value,
    trains: bool,
) -> Result<(Config, Vec<String>), String> {
    given["task_names"] = json!(["squad"]);
    let mut draft = Draft::new(Path::new("d"), "m", given.as_object().unwrap()).unwrap();
    if !trains {
        draft.evaluate_only(Some("m".into()));
    }
    let resolved = draft
        .finish(Some(facts))
        .map_err(|error| error.to_string())?;
    Ok((resolved.config, resolved.warnings))
}

#[test]
fn the_head_is_the_checkpoint_s_and_another_form_is_refused_with_both_values() {
    for trains in [true, false] {
        let form = |head: Option<[bool; 3]>| {
            let (config, _) = finish(&facts(head), json!({}), trains).unwrap();
            [
                config.joint_prediction,
                config.answerable_classifier,
                config.answerable_uses_start_logits,
            ]
        };
        assert_eq!(form(None), [true; 3]);
        for head in [[false, true, true], [true, true, false], [false; 3]] {
            assert_eq!(form(Some(head)), head);
        }
        for key in [
            "joint_prediction",
            "answerable_classifier",
            "answerable_uses_start_logits",
        ] {
            let given = |value: bool| json!({key: value});
            assert!(finish(&facts(Some([true; 3])), given(true), trains).is_ok());
            assert!(finish(&facts(None), given(false), trains).is_ok());
            assert_eq!(
                finish(&facts(Some([true; 3])), given(false), trains).unwrap_err(),
                format!(
                    "hyper-parameter {key} = false: the checkpoint has heads.squad.{key} = true \
                     (m/config.json); {LEAVE_OUT}"
                )
            );
        }
        // Without a classifier, its options have no effect.
        let given = json!({"answerable_uses_start_logits": true});
        assert!(finish(&facts(Some([true, false, false])), given, trains).is_ok());
    }
}

#[test]
fn a_vocabulary_of_other_tokens_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.txt");
    let mut facts = facts(None);
    facts.vocabulary = Some(Vocabulary {
        file: "m/vocab.txt".into(),
        is_file: true,
        bytes: b"[PAD]\n[UNK]\nthe\n".to_vec(),
    });
    let given = json!({"vocab_file": &file});
    for (text, expected) in [
        ("[PAD]\r\n[UNK]\r\nthe\r\n\r\n", None),
        (
            "[PAD]\n[UNK]\na\n",
            Some("\"the\" on line 3 of its vocabulary, not \"a\""),
        ),
        ("[PAD]\n[UNK]\n", Some("3 tokens in its vocabulary, not 2")),
    ] {
        std::fs::write(&file, text).unwrap();
        for trains in [true, false] {
            let refused = expected.map(|told| {
                format!(
                    "hyper-parameter vocab_file = {}: the checkpoint has {told} (m/vocab.txt); \
                     {LEAVE_OUT}",
                    file.display()
                )
            });
            assert_eq!(finish(&facts, given.clone(), trains).err(), refused);
        }
    }
    // A saved run names the file that it had then, but its model has a vocabulary of its own.
    let saved = json!({"model_name": "m", "task_names": ["squad"], "vocab_file": &file});
    let draft = Draft::from_json(saved.as_object().unwrap()).unwrap();
    draft.finish(Some(&facts)).unwrap();
}

#[test]
fn what_states_letter_case_is_named_where_it_is_to_be_corrected() {
    let mut facts = facts(None);
    let cased = json!({"do_lower_case": false});
    let correction = "set \"do_lower_case\" to false in m/tokenizer_config.json and \"lowercase\" to \
                      false in m/tokenizer.json";
    assert_eq!(
        finish(&facts, cased.clone(), true).unwrap_err(),
        format!(
            "hyper-parameter do_lower_case = false: the checkpoint has do_lower_case = true \
             (m/tokenizer_config.json); leave it out, or {correction} if that is wrong"
        )
    );
    facts.vocabulary = Some(Vocabulary {
        file: "m/vocab.txt".into(),
        is_file: true,
        bytes: b"[PAD]\nThe\nthe\n".to_vec(),
    });
    let told = |facts: &CheckpointFacts, given| finish(facts, given, true).unwrap().1;
    let found = "m/vocab.txt: 1 of 3 tokens have capitals, which lower-cased text never reaches";
    let then = "if the model was pre-trained on cased text";
    assert_eq!(
        told(&facts, json!({})),
        [format!("{found}; {correction} {then}")]
    );
    // If nothing states it, the flag applies.
    facts.states_case = false;
    assert_eq!(
        told(&facts, json!({})),
        [format!("{found}; give --set do_lower_case=false {then}")]
    );
    assert_eq!(told(&facts, cased), Vec::<String>::new());
}

#[test]
fn a_corrected_record_names_itself_and_another_its_source() {
    let files = |lower_case: bool| {
        let mut record = facts(None);
        record.case_files = vec!["record/config.json".into()];
        record.record.do_lower_case = lower_case;
        let source = facts(None);
        record
            .stated_by(&source.record, true, source.case_files.clone())
            .case_files
    };
    assert_eq!(files(true), facts(None).case_files);
    assert_eq!(files(false), [PathBuf::from("record/config.json")]);
}

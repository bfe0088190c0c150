//! Any sequence of changes of single files, swaps and restarts: in force is always one generation that was whole, and the
//! door never opens when it was told Allow.

use crate::{
    door::Door,
    mount::{Files, all_names, alone, files, nobody, under, write_plain, writers},
};
use proptest::prelude::*;
use relay_config::{
    Config, Lists,
    access::{Mode, Required},
    names,
};

/// What may stand in the files.
struct Choice {
    files: Files,
    generation: String,
    /// Whole without shards.
    inline: bool,
    /// Says that there never was a good list.
    knows_nobody: bool,
}

/// How many there are to choose from.
const CHOICES: usize = 8;

fn choices() -> Vec<Choice> {
    let (alice, bob, carol) = ([0x11; 32], [0x55; 32], [0xee; 32]);
    let inline = "version: 1\nhot: {access: {write: {mode: Allow, pubkeys: [\"KEY\"]}}}\n"
        .replace("KEY", &"77".repeat(32));
    let sharded = [
        writers(Mode::Allow, &[alice]),
        writers(Mode::Allow, &[alice, bob, carol]),
        writers(Mode::Deny, &[bob]),
        under(&writers(Mode::Allow, &[alice]), |terms| {
            terms.auth.required = Required::Always;
        }),
    ];
    let sharded = sharded.iter().map(|lists| Choice {
        files: files(lists),
        generation: lists.generation(),
        inline: false,
        knows_nobody: false,
    });
    let auth = "version: 1\nhot: {auth: {required: Read}}\n";
    let alone = [inline.as_str(), "version: 1\n", auth]
        .into_iter()
        .map(|yaml| Choice {
            files: alone(yaml),
            generation: Lists::inline(&Config::read(yaml).unwrap().hot)
                .unwrap()
                .generation(),
            inline: true,
            knows_nobody: false,
        });
    let nobody = Choice {
        files: nobody(),
        generation: String::new(),
        inline: false,
        knows_nobody: true,
    };
    sharded.chain(alone).chain([nobody]).collect()
}

/// What stands in one file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Text {
    Of(usize),
    Missing,
    Garbled,
}

#[derive(Clone, Debug)]
enum Step {
    /// These files get these texts; then the mount is swapped and looked at.
    Swap(Vec<(usize, Text)>),
    /// All files of one generation.
    Whole(usize),
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    let text = prop_oneof![
        8 => (0..CHOICES).prop_map(Text::Of),
        1 => Just(Text::Missing),
        1 => Just(Text::Garbled),
    ];
    prop_oneof![
        5 => prop::collection::vec((0..9_usize, text), 1..5).prop_map(Step::Swap),
        3 => (0..CHOICES).prop_map(Step::Whole),
        2 => Just(Step::Restart),
    ]
}

/// Which texts stand where, in the order of [`all_names`], and which generation is in force, or kept in the volume.
struct Model {
    choices: Vec<Choice>,
    texts: [Text; 9],
    in_force: String,
    kept: String,
}

impl Model {
    fn files(&self) -> Files {
        let mut all = Files::new();
        for (name, text) in all_names().into_iter().zip(self.texts) {
            let text = match text {
                Text::Of(choice) => self.choices[choice].files.get(&name).cloned(),
                Text::Missing => None,
                Text::Garbled => Some("garbled: [".into()),
            };
            all.extend(text.map(|text| (name, text)));
        }
        all
    }

    /// The generation of the files, if they are whole.
    fn whole(&self) -> Option<&str> {
        let Text::Of(config) = self.texts[0] else {
            return None;
        };
        let choice = &self.choices[config];
        if choice.knows_nobody {
            return None;
        }
        let agree = self.texts[1..].iter().all(|text| *text == self.texts[0]);
        (choice.inline || agree).then_some(choice.generation.as_str())
    }

    fn knows_nobody(&self) -> bool {
        matches!(self.texts[0], Text::Of(config) if self.choices[config].knows_nobody)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Swap(changes) => changes
                .iter()
                .for_each(|(file, text)| self.texts[*file] = *text),
            Step::Whole(choice) => self.texts = [Text::Of(*choice); 9],
            Step::Restart => self.in_force.clone_from(&self.kept),
        }
        if let Some(whole) = self.whole() {
            self.in_force = whole.to_owned();
            self.kept.clone_from(&self.in_force);
        }
        if self.knows_nobody() {
            self.in_force.clear();
        }
    }

    /// Would a process start with this configuration?
    fn starts(&self) -> bool {
        matches!(self.texts[0], Text::Of(_))
    }
}

fn check(steps: &[Step], mounted: bool) {
    let mut model = Model {
        choices: choices(),
        texts: [Text::Missing; 9],
        in_force: String::new(),
        kept: String::new(),
    };
    assert_eq!(model.choices.len(), CHOICES);
    model.texts[0] = Text::Of(0); // told Allow, and no shard is there
    let (mount, mut door) = Door::mounted(&model.files());
    if !mounted {
        let config = door.config();
        std::fs::remove_dir_all(&config).unwrap();
        std::fs::create_dir(&config).unwrap();
        write_plain(&config, &model.files());
        door.look();
    }
    for (number, step) in steps.iter().enumerate() {
        let restart = matches!(step, Step::Restart);
        if restart && !model.starts() {
            continue;
        }
        model.step(step);
        if restart {
            door = door.restart();
        } else if mounted {
            mount.swap(&model.files());
            door.look();
        } else {
            write_plain(&door.config(), &model.files());
            door.look();
        }
        assert_eq!(
            door.generation(),
            model.in_force,
            "after step {number} of {steps:?}"
        );
        assert_eq!(door.status().hash, model.in_force);
        if model.starts() {
            assert_eq!(door.error().is_empty(), model.whole().is_some());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mount_has_in_force_what_was_last_whole(steps in prop::collection::vec(any_step(), 1..24)) {
        check(&steps, true);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plain_files_have_in_force_what_was_last_whole(steps in prop::collection::vec(any_step(), 1..16)) {
        check(&steps, false);
    }
}

#[test]
fn the_names_are_in_the_order_of_the_model() {
    assert_eq!(all_names()[0], names::CONFIG_FILE);
    assert_eq!(all_names()[8], names::shard(7));
}

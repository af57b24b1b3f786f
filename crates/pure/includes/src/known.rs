//! What is known of contents: [`Facts`] with numbers in the place of names.

use std::sync::Arc;

use crate::condition::Condition;
use crate::facts::{Definitions, Doubt, Facts, Include, IncludeKind, Operand, definitions};
use crate::files::{FileId, Files};
use crate::names::{Names, NumberSet, QuickMap};

/// What is known of contents. It stays true whatever changes, since a change is another content.
#[derive(Default)]
pub(crate) struct Known {
    /// All macros that any file defines or asks for.
    pub(crate) macros: Names,
    /// Macros on which it depends somewhere whether something counts.
    asked: NumberSet,
    /// How often a macro that was known already came to be asked for.
    n_surprises: u32,
    includes: Vec<Include>,
    include_numbers: QuickMap<Include, u32>,
    numbers: QuickMap<FileId, u32>,
    contents: Vec<Content>,
    /// The contents that define a macro, for those whose values were looked for.
    definers: QuickMap<u32, Vec<u32>>,
    values: QuickMap<(u32, u32), Arc<Definitions>>,
    /// How much there is, in things told.
    n_told: usize,
}

/// What one content says.
#[derive(Debug)]
struct Content {
    file: FileId,
    groups: Vec<Group>,
    live: Arc<Vec<Group>>,
    /// The surprises that `live` knows of.
    n_surprises: u32,
}

/// What counts on the same condition.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Which of its content's groups it is.
    pub(crate) index: usize,
    pub(crate) on: Arc<On>,
    pub(crate) defines: Vec<u32>,
    /// Files that are named as they are.
    pub(crate) includes: Vec<u32>,
    /// Files that macros stand for.
    pub(crate) computed: Vec<(IncludeKind, u32)>,
    pub(crate) doubts: Vec<Doubt>,
}

impl Group {
    /// The group without definitions of macros that nobody asks for; `None` where that is nothing.
    fn live(&self, asked: &NumberSet) -> Option<Group> {
        let defines: Vec<u32> =
            self.defines.iter().copied().filter(|name| asked.has(*name)).collect();
        let is_live = !defines.is_empty()
            || !self.includes.is_empty()
            || !self.computed.is_empty()
            || !self.doubts.is_empty();
        is_live.then(|| Group { defines, ..self.clone() })
    }
}

/// A [`Condition`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum On {
    Maybe,
    Never,
    Defined(u32),
    All(Vec<On>),
    Any(Vec<On>),
}

impl On {
    /// Whether it may be true where these macros are ever defined.
    pub(crate) fn may_hold(&self, defined: &NumberSet) -> bool {
        match self {
            On::Maybe => true,
            On::Never => false,
            On::Defined(name) => defined.has(*name),
            On::All(parts) => parts.iter().all(|part| part.may_hold(defined)),
            On::Any(parts) => parts.iter().any(|part| part.may_hold(defined)),
        }
    }
}

impl Known {
    /// The number of a content.
    pub(crate) fn content(&mut self, file: FileId, files: &mut dyn Files) -> u32 {
        if let Some(number) = self.numbers.get(&file) {
            return *number;
        }
        let facts = files.facts(file);
        let number = u32::try_from(self.contents.len()).expect("memory ends before");
        let groups = self.learn(number, &facts);
        // Of another generation than any: the first who asks makes the list.
        let n_surprises = self.n_surprises.wrapping_sub(1);
        self.contents.push(Content { file, groups, live: Arc::default(), n_surprises });
        self.numbers.insert(file, number);
        number
    }

    /// What a content says, short of definitions of macros on which nothing depends.
    pub(crate) fn groups(&mut self, content: u32) -> Arc<Vec<Group>> {
        let content = &mut self.contents[content as usize];
        if content.n_surprises != self.n_surprises {
            let asked = &self.asked;
            let live = content.groups.iter().filter_map(|group| group.live(asked));
            content.live = Arc::new(live.collect());
            content.n_surprises = self.n_surprises;
        }
        content.live.clone()
    }

    /// How often a macro came to be asked for whose definitions may have been passed over.
    pub(crate) fn n_surprises(&self) -> u32 {
        self.n_surprises
    }

    /// Notes that it depends on a macro whether something counts.
    pub(crate) fn ask(&mut self, name: u32) {
        self.n_surprises += u32::from(self.asked.add(name));
    }

    /// The contents that define a macro.
    pub(crate) fn definers(&mut self, name: u32) -> &[u32] {
        let contents = &self.contents;
        self.definers.entry(name).or_insert_with(|| {
            let defines = |content: &Content| {
                content.groups.iter().any(|group| group.defines.contains(&name))
            };
            (0..).zip(contents).filter(|(_, content)| defines(content)).map(|(at, _)| at).collect()
        })
    }

    /// The values that a content gives a macro.
    pub(crate) fn values(
        &mut self,
        content: u32,
        name: u32,
        files: &mut dyn Files,
    ) -> Arc<Definitions> {
        let file = self.contents[content as usize].file;
        let macros = &self.macros;
        let read = || Arc::new(definitions(&files.text(file), macros.name(name)));
        self.values.entry((content, name)).or_insert_with(read).clone()
    }

    /// The number of an include.
    pub(crate) fn include_number(&mut self, include: &Include) -> u32 {
        if let Some(number) = self.include_numbers.get(include) {
            return *number;
        }
        let number = u32::try_from(self.includes.len()).expect("memory ends before");
        self.includes.push(include.clone());
        self.include_numbers.insert(include.clone(), number);
        number
    }

    /// The include that has a number.
    pub(crate) fn include(&self, number: u32) -> &Include {
        &self.includes[number as usize]
    }

    /// How much is known, in things told.
    pub(crate) fn len(&self) -> usize {
        self.n_told + self.values.len()
    }

    fn learn(&mut self, number: u32, facts: &Facts) -> Vec<Group> {
        let mut learned = Learned::default();
        let n_macros = self.macros.len();
        for (name, on) in &facts.defines {
            let name = self.macros.number(name);
            learned.group(on, &mut self.macros).defines.push(name);
            if let Some(definers) = self.definers.get_mut(&name) {
                definers.push(number);
            }
        }
        for (include, on) in &facts.includes {
            match &include.operand {
                Operand::Macro(name) => {
                    let name = self.macros.number(name);
                    learned.group(on, &mut self.macros).computed.push((include.kind, name));
                }
                Operand::Quoted(_) | Operand::Angled(_) => {
                    let include = self.include_number(include);
                    learned.group(on, &mut self.macros).includes.push(include);
                }
            }
        }
        for (doubt, on) in &facts.doubts {
            learned.group(on, &mut self.macros).doubts.push(*doubt);
        }
        self.n_told += facts.defines.len() + facts.includes.len() + facts.doubts.len() + 1;
        for group in &learned.groups {
            self.note_asked(&group.on, n_macros);
        }
        learned.groups
    }

    /// Notes the macros of a condition. Those that had a number before may have been defined then.
    fn note_asked(&mut self, on: &On, n_macros: usize) {
        match on {
            On::Maybe | On::Never => {}
            On::Defined(name) => {
                let is_surprise = self.asked.add(*name) && (*name as usize) < n_macros;
                self.n_surprises += u32::from(is_surprise);
            }
            On::All(parts) | On::Any(parts) => {
                for part in parts {
                    self.note_asked(part, n_macros);
                }
            }
        }
    }
}

/// A content that is being read.
#[derive(Default)]
struct Learned<'a> {
    groups: Vec<Group>,
    places: QuickMap<&'a Condition, usize>,
}

impl<'a> Learned<'a> {
    /// The group of what counts on `condition`.
    fn group(&mut self, condition: &'a Condition, macros: &mut Names) -> &mut Group {
        let next = self.groups.len();
        let place = *self.places.entry(condition).or_insert(next);
        if place == next {
            self.groups.push(Group {
                index: place,
                on: Arc::new(numbered(condition, macros)),
                defines: Vec::new(),
                includes: Vec::new(),
                computed: Vec::new(),
                doubts: Vec::new(),
            });
        }
        &mut self.groups[place]
    }
}

fn numbered(condition: &Condition, macros: &mut Names) -> On {
    let mut all = |parts: &[Condition]| parts.iter().map(|part| numbered(part, macros)).collect();
    match condition {
        Condition::Maybe => On::Maybe,
        Condition::Never => On::Never,
        Condition::All(parts) => On::All(all(parts)),
        Condition::Any(parts) => On::Any(all(parts)),
        Condition::Defined(name) => On::Defined(macros.number(name)),
    }
}

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
    includes: Vec<Include>,
    include_numbers: QuickMap<Include, u32>,
    contents: QuickMap<FileId, Arc<Content>>,
    values: QuickMap<(FileId, u32), Arc<Definitions>>,
    /// How much there is, in things told.
    n_told: usize,
}

/// What one content says.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) groups: Vec<Group>,
}

/// What counts on the same condition.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) on: On,
    pub(crate) defines: Vec<u32>,
    /// Files that are named as they are.
    pub(crate) includes: Vec<u32>,
    /// Files that macros stand for.
    pub(crate) computed: Vec<(IncludeKind, u32)>,
    pub(crate) doubts: Vec<Doubt>,
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
    /// What a content says.
    pub(crate) fn content(&mut self, file: FileId, files: &mut dyn Files) -> Arc<Content> {
        if let Some(content) = self.contents.get(&file) {
            return content.clone();
        }
        let content = Arc::new(self.learn(&files.facts(file)));
        self.contents.insert(file, content.clone());
        content
    }

    /// The values that a content gives a macro.
    pub(crate) fn values(
        &mut self,
        file: FileId,
        name: u32,
        files: &mut dyn Files,
    ) -> Arc<Definitions> {
        let content = self.content(file, files);
        if !content.groups.iter().any(|group| group.defines.contains(&name)) {
            return Arc::default();
        }
        let macros = &self.macros;
        let read = || Arc::new(definitions(&files.text(file), macros.name(name)));
        self.values.entry((file, name)).or_insert_with(read).clone()
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

    fn learn(&mut self, facts: &Facts) -> Content {
        let mut learned = Learned::default();
        for (name, on) in &facts.defines {
            let name = self.macros.number(name);
            learned.group(on, &mut self.macros).defines.push(name);
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
        Content { groups: learned.groups }
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
                on: numbered(condition, macros),
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

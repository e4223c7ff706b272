//! The walk over two documents that all tables share; what differs between them is theirs to say.

use std::collections::HashSet;

use super::{Document, Field, Finding, Logical, Ty};

/// Types are compared no deeper than this.
const DEPTH_MAX: usize = 400;

/// What one kind of tables says of changes.
pub(super) trait Rules {
    /// Whether two types have the same shape, and which.
    fn shape(&self, ty: &Ty) -> Shape;
    fn fields(&self, walk: &mut Walk<'_>, original: &[Field], update: &[Field], path: &str, is_union: Unions);
    fn items(&self, walk: &mut Walk<'_>, original: &Logical, update: &Logical, path: &str);
    fn entries(&self, walk: &mut Walk<'_>, original: &Ty, update: &Ty, path: &str);
    fn scalars(&self, walk: &mut Walk<'_>, original: &Ty, update: &Ty, path: &str);
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Struct,
    List,
    Map,
    Multiset,
    Scalar,
}

/// Which of the two sides are unions, whose branches may all be absent.
#[derive(Clone, Copy)]
pub(super) struct Unions {
    pub(super) original: bool,
    pub(super) update: bool,
}

pub(super) struct Walk<'a> {
    rules: &'a dyn Rules,
    pub(super) original: &'a Document,
    pub(super) update: &'a Document,
    pub(super) found: Vec<Finding>,
    named_pairs: HashSet<(String, String)>,
    struct_pairs: HashSet<(*const Ty, *const Ty)>,
    depth: usize,
}

pub(super) fn run(rules: &dyn Rules, original: &Document, update: &Document) -> Vec<Finding> {
    let mut walk = Walk {
        rules,
        original,
        update,
        found: Vec::new(),
        named_pairs: HashSet::new(),
        struct_pairs: HashSet::new(),
        depth: 0,
    };
    walk.types(&original.root, &update.root, "");
    walk.found
}

pub(super) fn change(original: &Ty, update: &Ty) -> String {
    format!("type changed from {} to {}", original.rendered(), update.rendered())
}

impl Walk<'_> {
    pub(super) fn add(&mut self, rule: &'static str, path: &str, message: String) {
        self.found.push(Finding {
            rule,
            path: path.to_owned(),
            message,
        });
    }

    pub(super) fn types(&mut self, original: &Logical, update: &Logical, path: &str) {
        if let (Ty::Ref(original), Ty::Ref(update)) = (&original.ty, &update.ty)
            && !self.named_pairs.insert((original.clone(), update.clone()))
        {
            return;
        }
        if self.depth >= DEPTH_MAX {
            return;
        }
        let (originals, updates) = (self.original, self.update);
        self.depth += 1;
        self.resolved(&originals.resolved(original).ty, &updates.resolved(update).ty, path);
        self.depth -= 1;
    }

    fn resolved(&mut self, original: &Ty, update: &Ty, path: &str) {
        if let (Ty::Ref(_), _) | (_, Ty::Ref(_)) = (original, update) {
            if original.rendered() != update.rendered() {
                self.add("TYPE_MISMATCH", path, change(original, update));
            }
            return;
        }
        let rules = self.rules;
        let shape = rules.shape(original);
        if shape != rules.shape(update) {
            return self.add("TYPE_MISMATCH", path, change(original, update));
        }
        match (shape, original, update) {
            (Shape::Struct, Ty::Struct(old) | Ty::Union(old), Ty::Struct(new) | Ty::Union(new)) => {
                if self.struct_pairs.insert((original, update)) {
                    let unions = Unions {
                        original: matches!(original, Ty::Union(_)),
                        update: matches!(update, Ty::Union(_)),
                    };
                    rules.fields(self, old, new, path, unions);
                }
            }
            (Shape::List, Ty::Array(old), Ty::Array(new)) | (Shape::Multiset, Ty::Multiset(old), Ty::Multiset(new)) => {
                rules.items(self, old, new, path);
            }
            (Shape::Map, old, new) => rules.entries(self, old, new, path),
            (_, old, new) => rules.scalars(self, old, new, path),
        }
    }
}

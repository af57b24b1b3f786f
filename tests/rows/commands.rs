//! A command for each row, and for what is no row: languages, inputs, words for inner programs.

use compiler_args::{Effect, GROUPS, Row, Shape};

/// A command to try.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// Its place among all.
    pub(crate) place: usize,
    /// What it is to show: the option.
    pub(crate) name: String,
    /// Its words.
    pub(crate) words: Vec<String>,
}

/// Words for rows whose name and shape do not tell a sensible command. A row that is not here is
/// tried with `value` as its value, or as it is.
const EXAMPLES: &[(&str, &str)] = &[
    ("-x", "-x c"),
    ("--language", "--language c"),
    ("--language=", "--language=c"),
    ("-f", "-fwrapv"),
    ("-m", "-m64"),
    ("-W", "-Wall"),
    ("-O", "-O2"),
    ("-g", "-g"),
    ("-M", "-MM"),
    ("-d", "-dA"),
    ("-X", "-Xflang"),
    ("-gno-", "-gno-column-info"),
    ("-gz", "-gz=zlib"),
    ("-g3", "-g3"),
    ("-ggdb3", "-ggdb3"),
    ("-gstabs3", "-gstabs3"),
    ("-gstabs+3", "-gstabs+3"),
    ("-gvms3", "-gvms3"),
    ("-gxcoff3", "-gxcoff3"),
    ("-ObjC", "-ObjC"),
    ("-emit-", "-emit-llvm"),
    ("-cc1", "-cc1"),
    ("-ccc-", "-ccc-print-phases"),
    ("-print-", "-print-libgcc-file-name"),
    ("--print-", "--print-libgcc-file-name"),
    ("--help", "--help"),
    ("-fhelp", "-fhelp"),
    ("-traditional", "-traditional-cpp"),
    ("--traditional", "--traditional-cpp"),
    ("-time", "-time"),
    ("--time", "--time"),
    ("-save-temps", "-save-temps"),
    ("--save-temps", "--save-temps=obj"),
    ("-fopt-info", "-fopt-info"),
    ("-fstack-usage", "-fstack-usage"),
    ("-fsave-optimization-record", "-fsave-optimization-record"),
    ("-fcallgraph-info", "-fcallgraph-info"),
    ("-fdump-", "-fdump-tree-all"),
    ("-ftime-", "-ftime-report"),
    ("-fmem-report", "-fmem-report"),
    ("-fprofile", "-fprofile-generate"),
    ("-fauto-profile", "-fauto-profile=value"),
    ("-fcoverage-", "-fcoverage-mapping"),
    ("-fcs-profile-", "-fcs-profile-generate"),
    ("-flto", "-flto"),
    ("-fthin", "-fthinlto-index=value"),
    ("-fltrans", "-fltrans"),
    ("-fwpa", "-fwpa"),
    ("-gsplit-dwarf", "-gsplit-dwarf"),
    ("-fplugin", "-fplugin=value"),
    ("-fpass-plugin", "-fpass-plugin=value"),
    ("-specs", "-specs=value"),
    ("--specs", "--specs=value"),
    ("--config", "--config=value"),
    ("-fmodule", "-fmodules-ts"),
    ("-fimplicit-module", "-fimplicit-modules"),
    ("-fpch-", "-fpch-preprocess"),
    ("-frewrite-", "-frewrite-includes"),
    ("-fembed-", "-fembed-bitcode"),
    ("-fsanitize=", "-fsanitize=address"),
    ("-fxray-", "-fxray-instrument"),
    ("-march=native", "-march=native"),
    ("-mtune=native", "-mtune=native"),
    ("-mcpu=native", "-mcpu=native"),
    ("-Wa,", "-Wa,--noexecstack"),
    ("-Xassembler", "-Xassembler --noexecstack"),
    ("-Wp,", "-Wp,-DX"),
    ("-Xclang", "-Xclang -disable-llvm-passes"),
    ("-Xpreprocessor", "-Xpreprocessor -DX"),
    ("-mllvm", "-mllvm -inline-threshold=9"),
    ("-fuse-ld", "-fuse-ld=gold"),
    ("-static-lib", "-static-libgcc"),
    ("-shared-lib", "-shared-libgcc"),
    ("-foffload", "-foffload=disable"),
    ("-std=", "-std=c11"),
    ("--std=", "--std=c11"),
    ("--std", "--std c11"),
    ("--optimize=", "--optimize=2"),
    ("--param", "--param max-unroll-times=2"),
    ("--param=", "--param=max-unroll-times=2"),
    ("-target", "-target x86_64-linux-gnu"),
    ("--target=", "--target=x86_64-linux-gnu"),
    ("-mthread-model", "-mthread-model posix"),
    ("--warn-", "--warn-all"),
    ("-fprofile-update=", "-fprofile-update=atomic"),
    ("-fdebug-prefix-map=", "-fdebug-prefix-map=a=b"),
    ("-fmacro-prefix-map=", "-fmacro-prefix-map=a=b"),
    ("-ffile-prefix-map=", "-ffile-prefix-map=a=b"),
    ("-fprofile-prefix-map=", "-fprofile-prefix-map=a=b"),
    ("-include", "-include in.h"),
    ("--include", "--include in.h"),
    ("--include=", "--include=in.h"),
    ("-working-directory", "-working-directory=."),
];

/// Commands that no row tells: inputs, languages, dependency files, words for inner programs.
const MORE: &[&str] = &[
    "gcc -c a.c",
    "gcc -c a.c -o out.o",
    "g++ -c a.cc -o a.o",
    "gcc -c a.cpp -o a.o",
    "gcc -c a.cxx -o a.o",
    "gcc -c a.m -o a.o",
    "gcc -c a.mm -o a.o",
    "gcc -c a.i -o a.o",
    "gcc -c a.ii -o a.o",
    "gcc -c a.mi -o a.o",
    "g++ -c a.i -o a.o",
    "gcc -c a.s -o a.o",
    "gcc -c a.S -o a.o",
    "gcc -c a.h -o a.gch",
    "gcc -c a.o -o b.o",
    "gcc -c a.f90 -o a.o",
    "gcc -c a.c b.c",
    "gcc -c conftest.c -o conftest.o",
    "gcc -c a.c -o -",
    "gcc -c a.c -o /dev/null",
    "gcc a.c -o a",
    "gcc -S a.c -o a.s",
    "gcc -E a.c -o a.i",
    "gcc a.o -o a",
    "gcc -c -",
    "gcc -x c -c - -o a.o",
    "gcc -c a.c -o a.o -o b.o",
    "gcc -c @args -o a.o",
    "gcc -c @missing -o a.o",
    "clang -c -o a.o -- a.c",
    "gcc -x c++ -c a.c -o a.o",
    "gcc -xc++ -c a.c -o a.o",
    "gcc -x none -c a.c -o a.o",
    "gcc -x c -x none -c a.c -o a.o",
    "gcc -x cpp-output -c a.c -o a.o",
    "gcc -x objective-c -c a.c -o a.o",
    "gcc -x objective-c++ -c a.c -o a.o",
    "gcc -x assembler -c a.c -o a.o",
    "gcc -x assembler-with-cpp -c a.c -o a.o",
    "gcc -x c-header -c a.h -o a.gch",
    "clang -x c++-module -c a.cppm -o a.o",
    "clang -x cuda -c a.cu -o a.o",
    "gcc -x go -c a.go -o a.o",
    "gcc -include a.c -c b.c -o b.o",
    "gcc -MD -c a.c -o a.o",
    "gcc -MMD -MP -MF a.d -MT x -c a.c -o a.o",
    "gcc -MFa.d -MD -MTx -MQy -c a.c -o a.o",
    "gcc -MD -MF - -c a.c -o a.o",
    "gcc -M -c a.c -o a.o",
    "gcc -MM -MG -c a.c -o a.o",
    "gcc -Wp,-MD,a.d,-MP -c a.c -o a.o",
    "gcc -Wp,-MMD,a.d -Wp,-MT,y -c a.c -o a.o",
    "gcc -Wp,-MD,- -c a.c -o a.o",
    "gcc -Wp,-undef -c a.c -o a.o",
    "gcc -Xpreprocessor -MD -Xpreprocessor a.d -c a.c -o a.o",
    "gcc -Xpreprocessor -fopenmp -c a.c -o a.o",
    "gcc -Wa,-al=a.lst -c a.c -o a.o",
    "gcc -Wa,-I,dir -c a.c -o a.o",
    "gcc -Wa,--MD,a.d -c a.c -o a.o",
    "gcc -Wa,-g -c a.c -o a.o",
    "gcc -Xassembler -al=a.lst -c a.c -o a.o",
    "clang -Xclang -load -Xclang x.so -c a.c -o a.o",
    "clang -mllvm -stats -c a.c -o a.o",
    "clang -Xarch_x86_64 -O2 -c a.c -o a.o",
    "gcc -fnewer-than-this=/x -c a.c -o a.o",
    "gcc -mcpu=native+nofp -c a.c -o a.o",
    "gcc -g0 -g -c a.c -o a.o",
    "gcc --frobnicate -c a.c -o a.o",
    "gcc -c a.c -o",
];

/// All commands: each row once for each way to write its value, then the others.
pub(crate) fn commands() -> Vec<Command> {
    let rows = GROUPS.iter().flat_map(|group| group.rows).flat_map(examples);
    let rows = rows.map(|(row, name, example)| (name, whole(row, &example)));
    let more = MORE.iter().map(|command| ((*command).to_owned(), split(command)));
    rows.chain(more)
        .enumerate()
        .map(|(place, (name, words))| Command { place, name, words })
        .collect()
}

/// The ways to write an option: what each is called, and its words.
fn examples(row: &'static Row) -> Vec<(&'static Row, String, Vec<String>)> {
    let name = row.name.to_owned();
    if let Some((_, words)) = EXAMPLES.iter().find(|(name, _)| *name == row.name) {
        let mut examples = vec![(row, name.clone(), split(words))];
        match row.name {
            "-x" => examples.push((row, format!("{name} joined"), split("-xc"))),
            "-include" => examples.push((row, format!("{name} joined"), split("-includein.h"))),
            _ => {}
        }
        return examples;
    }
    let value = value(row);
    let joined = format!("{name}{value}");
    match row.shape {
        Shape::Alone => vec![(row, name.clone(), vec![name])],
        Shape::Separate => vec![(row, name.clone(), vec![name, value.to_owned()])],
        Shape::Joined | Shape::Family => vec![(row, name, vec![joined])],
        Shape::JoinedOrSeparate => vec![
            (row, name.clone(), vec![name.clone(), value.to_owned()]),
            (row, format!("{name} joined"), vec![joined]),
        ],
    }
}

/// A value such as the option may have.
fn value(row: &Row) -> &'static str {
    match row.effect {
        Effect::Output => "out.o",
        Effect::DependencyFile => "out.d",
        _ => "value",
    }
}

/// The option in a compile of one source, with the compiler that knows it.
fn whole(row: &Row, example: &[String]) -> Vec<String> {
    let compiler = if row.since.gcc.is_none() { "clang" } else { "gcc" };
    let mut words = vec![compiler.to_owned()];
    words.extend_from_slice(example);
    let is_mode =
        matches!(row.effect, Effect::ToObject | Effect::ToAssembler | Effect::ToPreprocessed);
    if !is_mode {
        words.push("-c".into());
    }
    words.push("a.c".into());
    if row.effect != Effect::Output {
        words.extend(["-o", "a.o"].map(String::from));
    }
    words
}

fn split(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_owned).collect()
}

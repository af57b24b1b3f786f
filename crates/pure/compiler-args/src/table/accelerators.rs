//! Code for graphics processors and other accelerators.

use super::terms::*;

const OFFLOAD: super::Effect = Stay(Reason::Offload);

pub(super) const GROUP: Group = Group {
    title: "Accelerators",
    note: "One command compiles the source several times, by tools of this machine, into one \
           object. `-fopenmp` and `-fopenacc` without a target are plain options.",
    phases: Phases::PREPROCESS.and(Phases::COMPILE).and(Phases::LINK),
    rows: &[
        row("-foffload", Joined, OFFLOAD).since("5", "15"),
        row("-fopenmp-targets=", Joined, OFFLOAD).clang("4"),
        row("-fsycl", Family, OFFLOAD).clang("9"),
        row("--offload", Family, OFFLOAD).clang("12"),
        row("--no-offload-", Family, OFFLOAD).clang("14"),
        row("--cuda-", Family, OFFLOAD).clang(""),
        row("--no-cuda-", Family, OFFLOAD).clang("4"),
        row("-Xcuda-", Family, OFFLOAD).clang(""),
        row("-Xopenmp-target", Family, OFFLOAD).clang("6"),
        row("-Xoffload-", Family, OFFLOAD).clang("15"),
        row("--ptxas-path=", Joined, OFFLOAD).clang("5"),
        row("--hip", Family, OFFLOAD).clang("8"),
        row("--rocm-", Family, OFFLOAD).clang("11"),
        row("--gpu-", Family, OFFLOAD).clang("9"),
        row("--no-gpu-", Family, OFFLOAD).clang("14"),
        row("-cuid=", Joined, OFFLOAD).clang("11"),
        row("--amdgpu-", Family, OFFLOAD).clang("14"),
        row("--nvptx-", Family, OFFLOAD).clang("16"),
        row("--libomptarget-", Family, OFFLOAD).clang("11"),
        row("--emit-static-lib", Alone, OFFLOAD).clang("13"),
        row("-cl-", Family, OFFLOAD).clang(""),
    ],
};

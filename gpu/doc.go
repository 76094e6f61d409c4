// Package gpu knows NVIDIA's GPUs by what nvidia-smi prints.
//
// Facts come from its queries, whose fields have fixed names, never from its
// table, and no GPU library is loaded. The caller provides an [Ask] that runs
// nvidia-smi as a child. What a service lacks, who holds memory, and what the
// driver has reported are pure functions of the answers.
//
// The package runs nothing and keeps no state.
package gpu

// Package gpu knows NVIDIA's GPUs by what nvidia-smi says of them.
//
// Facts come from its query options, whose fields have fixed names, never from
// its table, and no GPU library is loaded: a child is asked, by an [Ask] that
// whoever forks gives. What a service needs, who holds memory, and what the
// driver has reported are pure functions of the answers.
//
// The package runs nothing and keeps no state.
package gpu

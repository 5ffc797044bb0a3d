# Ask a program for its man page and completions and keep what it prints: cmake -DPROGRAM=… -DNAME=… -DDIR=… -P pages.cmake
function(keep suffix)
  execute_process(COMMAND "${PROGRAM}" ${ARGN} OUTPUT_FILE "${DIR}/${NAME}.${suffix}" COMMAND_ERROR_IS_FATAL ANY)
endfunction()
file(MAKE_DIRECTORY "${DIR}")
keep(1 --man)
keep(bash --completion bash)
keep(zsh --completion zsh)
keep(fish --completion fish)

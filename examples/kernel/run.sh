#!/bin/sh
# Boots the kernel in QEMU, on four CPUs and two nodes; more options of QEMU after the kernel's name.
# The status is 33 if all went well.
kernel=$1
shift
exec qemu-system-x86_64 -accel tcg -cpu max -machine q35 -m 1G -smp 4 \
    -object memory-backend-ram,id=m0,size=512M -object memory-backend-ram,id=m1,size=512M \
    -numa node,nodeid=0,memdev=m0,cpus=0-1 -numa node,nodeid=1,memdev=m1,cpus=2-3 \
    -numa dist,src=0,dst=1,val=20 -display none -no-reboot -serial stdio -monitor none \
    -device isa-debug-exit,iobase=0xf4,iosize=4 -kernel "$kernel" "$@"

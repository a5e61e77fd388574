#!/bin/sh
# Makes speech.wav anew: espeak-ng 1.51 speaks, sox brings it to 16 kHz mono pcm16 and to whole frames of 20 ms.
espeak-ng -v en-us -s 150 -m --stdout \
  '<speak>Hello.<break time="700ms"/>This is the hub speaking.<break time="700ms"/>One, two, three.<break time="700ms"/>Good bye.</speak>' |
  sox - -r 16000 -b 16 -c 1 -D speech.wav pad 0.3 0.5 trim 0 7.28

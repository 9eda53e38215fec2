// guarantee: an answer that does not follow the protocol is an error
// expect: error
import java.io.*;
import java.util.*;

class Solution {
    public int next(int n) {
        try {
            // a list that says it has 2^30 elements
            new FileOutputStream(FileDescriptor.out).write(
                    new byte[] {0, 0, 0, 26, 'R', 0, 0, 0, 0, 0, 'c', 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0});
            Thread.sleep(100_000);
        } catch (IOException | InterruptedException error) {
            return 1;
        }
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}

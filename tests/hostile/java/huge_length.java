// guarantee: a message that claims to be too long is not waited for
// expect: error
import java.io.*;
import java.util.*;

class Solution {
    public int next(int n) {
        try {
            new FileOutputStream(FileDescriptor.out).write(new byte[] {127, -1, -1, -1, 'R', 0});
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

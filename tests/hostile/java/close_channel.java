// guarantee: closing the channel is no pass
// expect: error or failed
import java.io.*;
import java.util.*;

class Solution {
    public int next(int n) {
        try {
            new FileInputStream(FileDescriptor.in).close();
            new FileOutputStream(FileDescriptor.out).close();
        } catch (IOException error) {
            return 1;
        }
        return n + 1;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}

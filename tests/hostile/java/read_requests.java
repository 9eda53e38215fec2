// guarantee: what a sample reads from its channel are its own arguments; the test is not there
// expect: error or timeout
import java.io.*;
import java.util.*;

class Solution {
    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        try (FileInputStream in = new FileInputStream(FileDescriptor.in)) {
            byte[] bytes = new byte[65536];
            int count = in.read(bytes);
            return new String(bytes, 0, count).contains("Main") ? Arrays.asList(1, 2, 3) : null;
        } catch (IOException error) {
            return null;
        }
    }
}

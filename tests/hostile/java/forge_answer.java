// guarantee: a verdict written by the sample is no verdict
// expect: error
import java.io.*;
import java.util.*;

class Solution {
    public int next(int n) {
        try (FileOutputStream out = new FileOutputStream(FileDescriptor.out)) {
            out.write(new byte[] {0, 0, 0, 5, 'V', 0, 1, 0, 0}); // a judge's "passed"
        } catch (IOException error) {
            return 1;
        }
        Runtime.getRuntime().halt(0);
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}

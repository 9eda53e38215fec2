// guarantee: names of type variables and classes in a sample mean nothing in its stubs
// expect: failed
import java.util.*;

class Solution {
    public <java extends Number, Object> int next(int n) {
        return 0;
    }

    public <String, Boolean> List<Integer> list(int n) {
        return new ArrayList<>();
    }
}

class Handle {}

class Remote {}

class Objects {}

class Main1 {}
